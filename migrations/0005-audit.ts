import type { Knex } from 'knex'

/**
 * Who changed what, and whence, kept for good. The table's owner is the application itself, so rights can't protect it from
 * the application: triggers do, and fire in every replication role. Rows are written and never taken back. The one change
 * that passes makes people who no longer exist unrecognisable, and the database works out itself what that leaves of a row.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table audit_log (
      id bigint generated always as identity primary key,
      -- Not now(): a change that waited for another began before it.
      at timestamptz not null default clock_timestamp(),
      actor text not null,
      channel text not null check (channel in ('cli', 'page', 'api', 'system')),
      os_user text,
      address text,
      user_agent text,
      trace_id text,
      action text not null,
      subject_kind text not null,
      subject_id text not null,
      -- Whom it is about. No foreign keys: history outlives its subjects.
      user_id text,
      -- The fields that changed. null: there was nothing before, or is nothing after.
      before jsonb,
      after jsonb
    );
    create index audit_log_by_subject on audit_log (subject_id, id);
    create index audit_log_by_actor on audit_log (actor, id);
    create index audit_log_by_user on audit_log (user_id, id) where user_id is not null;

    -- Taken from the random id, which no longer leads to anybody, and not from a name, which could be guessed.
    create function erased_name(user_id text) returns text stable strict language sql
      return 'erased:' || left(encode(sha256(convert_to(user_id, 'UTF8')), 'hex'), 8);

    create function erased_fields(fields jsonb, pseudonym text) returns jsonb immutable strict language sql
      return fields || coalesce((
        select jsonb_object_agg(key, pseudonym) from jsonb_each(fields)
        where key in ('username', 'email', 'name', 'address', 'user_agent') and jsonb_typeof(value) = 'string'
      ), '{}');

    create function is_erased(user_id text) returns boolean stable language sql
      return starts_with(coalesce(user_id, ''), 'usr_') and not exists (select from users where users.id = user_id);

    -- What a row is without those who are gone: their names, and whence they came. What reached 'system', or was sent by an
    -- app, may have come from the person's own device.
    create function erased_entry(entry audit_log) returns audit_log stable language plpgsql set search_path from current as $$
    declare
      sender text := case
        when entry.actor = 'system' or starts_with(entry.actor, 'cli_') then entry.user_id else entry.actor
      end;
    begin
      if is_erased(entry.user_id) then
        entry.before := erased_fields(entry.before, erased_name(entry.user_id));
        entry.after := erased_fields(entry.after, erased_name(entry.user_id));
      end if;
      if is_erased(sender) then
        entry.address := case when entry.address is not null then erased_name(sender) end;
        entry.user_agent := case when entry.user_agent is not null then erased_name(sender) end;
      end if;
      return entry;
    end $$;

    create function keep_audit_log() returns trigger language plpgsql set search_path from current as $$
    begin
      if tg_op = 'UPDATE' and tg_level = 'ROW' then
        if new is not distinct from erased_entry(old) then
          return new;
        end if;
      end if;
      raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
    end $$;

    create trigger keep_rows before update or delete on audit_log for each row execute function keep_audit_log();
    create trigger keep_table before truncate on audit_log for each statement execute function keep_audit_log();
    alter table audit_log enable always trigger keep_rows, enable always trigger keep_table;
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table audit_log cascade;
    drop function keep_audit_log(), is_erased(text), erased_fields(jsonb, text), erased_name(text);
  `)
}
