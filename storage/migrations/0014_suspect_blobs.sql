-- Since when the object of a blob has been missing, or of another size. Whoever uploads the bytes again replaces its key.
ALTER TABLE blobs ADD COLUMN suspect_since timestamptz;
