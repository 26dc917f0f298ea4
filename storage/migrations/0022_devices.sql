-- Devices that wait to be signed in (RFC 8628); both codes are kept as hashes.
CREATE TABLE device_sign_ins (
    id               bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_hash      bytea       NOT NULL UNIQUE CHECK (octet_length(device_hash) = 32),
    user_hash        bytea       NOT NULL UNIQUE CHECK (octet_length(user_hash) = 32),
    host             text        NOT NULL,
    address          text        NOT NULL,
    scopes           text[]      NOT NULL,
    created_at       timestamptz NOT NULL DEFAULT now(),
    expires_at       timestamptz NOT NULL,
    polled_at        timestamptz,
    interval_seconds integer     NOT NULL DEFAULT 5,
    account_id       bigint      REFERENCES accounts,  -- who approved or denied it
    approved         boolean
);
CREATE INDEX device_sign_ins_expired ON device_sign_ins (expires_at);
CREATE INDEX device_sign_ins_account ON device_sign_ins (account_id) WHERE account_id IS NOT NULL;
