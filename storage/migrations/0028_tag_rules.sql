-- What an account forbids to be done to tags of its packages. The patterns are regular expressions, made of the globs when
-- a rule is stored; every statement that writes a tag judges it by them (storage/metadata/tag_rules.py).
CREATE TABLE tag_rules (
    id              bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    owner_id        bigint      NOT NULL REFERENCES accounts,
    name            text        NOT NULL COLLATE "C",
    package         text        NOT NULL,
    tags            text[]      NOT NULL,
    except_tags     text[]      NOT NULL,
    forbid          text[]      NOT NULL CHECK (forbid <> '{}' AND forbid <@ '{move,delete,create}'),
    unless_role     text        CHECK (unless_role = 'admin'),
    enabled         boolean     NOT NULL,
    package_pattern text        NOT NULL COLLATE "C",
    tag_pattern     text        NOT NULL COLLATE "C",
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (owner_id, name)
);
CREATE TRIGGER read_only BEFORE INSERT OR UPDATE OR DELETE ON tag_rules
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_while_read_only();

-- MR002 is ours, as MR001 of read_only: the detail tells the rule and what it refuses. It never returns.
CREATE FUNCTION refuse_tag(rule bigint, package bigint, change text, tag text, digest text) RETURNS boolean
    LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'MR002', MESSAGE = 'a rule forbids this change of a tag', DETAIL = (
        SELECT jsonb_build_object('rule', rules.name, 'owner', lower(owner.login), 'package', packages.name,
                                  'change', change, 'tag', tag, 'digest', digest, 'unless_role', rules.unless_role)
          FROM tag_rules rules
          JOIN accounts owner ON owner.id = rules.owner_id
          JOIN packages ON packages.id = refuse_tag.package
         WHERE rules.id = refuse_tag.rule);
END $$;
