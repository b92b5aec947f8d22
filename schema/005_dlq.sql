-- Poison is rare, and looked for by people: two indexes that hold nothing else.
CREATE INDEX normalized_poison ON normalized_data (timestamp) WHERE validation_status = 'poison';
CREATE INDEX normalized_poison_key ON normalized_data (record_key) WHERE validation_status = 'poison';
