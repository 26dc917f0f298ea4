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

-- Functions, as a plan with these look-ups in it takes 20 us more to begin, whether there is a rule or not.
CREATE FUNCTION tag_rule_of(package bigint, changes text[], tag text, spared text) RETURNS bigint
    LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tag_rules) THEN  -- nobody uses them: that is cheaper to know
        RETURN NULL;
    END IF;
    RETURN (SELECT rule.id
              FROM packages JOIN tag_rules rule ON rule.owner_id = packages.owner_id
             WHERE packages.id = tag_rule_of.package AND rule.enabled AND rule.forbid && changes
               AND spared NOT IN ('all', coalesce(rule.unless_role, '-'))
               AND packages.name ~ rule.package_pattern AND tag_rule_of.tag ~ rule.tag_pattern
             ORDER BY rule.id LIMIT 1);
END $$;

-- MR002 is ours, as MR001 of read_only: the detail tells the rule and what it refuses.
CREATE FUNCTION judge_tag(package bigint, change text, tag text, digest text, spared text) RETURNS boolean
    LANGUAGE plpgsql AS $$
DECLARE
    judged bigint := tag_rule_of(package, ARRAY[change], tag, spared);
BEGIN
    IF judged IS NULL THEN
        RETURN true;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'MR002', MESSAGE = 'a rule forbids this change of a tag', DETAIL = (
        SELECT jsonb_build_object('rule', rules.name, 'owner', lower(owner.login), 'package', packages.name,
                                  'change', change, 'tag', tag, 'digest', digest, 'unless_role', rules.unless_role)
          FROM tag_rules rules
          JOIN accounts owner ON owner.id = rules.owner_id
          JOIN packages ON packages.id = judge_tag.package
         WHERE rules.id = judged);
END $$;
