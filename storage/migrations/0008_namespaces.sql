-- Namespaces in the order of the full names of their packages: «a-b/x» stands before «a/x».
CREATE INDEX accounts_namespace ON accounts ((lower(login) || '/') COLLATE "C") WHERE deleted_at IS NULL;
