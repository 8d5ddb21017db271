import type { Knex } from 'knex'

/**
 * What keeps tables small that take in and lose rows all day. Nothing here reads or writes a row or holds up a request.
 *
 * PostgreSQL's own defaults clean a table when a fifth of it is dead: of ten million rows two million, and an index is walked
 * over all of them before it comes to the first live one. A fiftieth, and more in one go, costs the same in sum.
 * Where a row changes soon after it was written, its page keeps room for that: the change then stays on the page, and mostly
 * out of the indexes.
 */
const CLEANED_EARLY = {
  artifacts: 90,
  refresh_tokens: 80,
  sessions: 80,
  device_codes: 70,
  grants: 95,
  replays: 100,
  idempotency_keys: 80,
  rate_limits: 50,
  login_throttles: 80,
  events: 90,
  webhook_deliveries: 80,
  webhook_attempts: 100,
  logout_notices: 80,
  client_documents: 80,
}

export async function up(knex: Knex): Promise<void> {
  for (const [table, fillfactor] of Object.entries(CLEANED_EARLY)) {
    await knex.raw(`alter table ${table} set (fillfactor = ${fillfactor}, autovacuum_vacuum_scale_factor = 0.02,
      autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_limit = 1000, autovacuum_analyze_scale_factor = 0.05)`)
  }
  await knex.raw(`
    create index client_documents_never_good on client_documents (asked_at) where confirmed_at is null;

    -- Entries may go when they are old, if whoever deletes them says for how long they are to be kept. Of the last 90 days
    -- none goes, whatever is said: that is the time in which somebody who got in wants to cover their tracks.
    create or replace function keep_audit_log() returns trigger language plpgsql set search_path from current as $$
    declare
      kept interval := nullif(current_setting('grantry.audit_retention', true), '')::interval;
    begin
      if tg_op = 'UPDATE' and tg_level = 'ROW' then
        if new is not distinct from erased_entry(old) then
          return new;
        end if;
      end if;
      if tg_op = 'DELETE' and kept >= interval '90 days' and old.at < clock_timestamp() - kept then
        return old;
      end if;
      raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
    end $$;
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    create or replace function keep_audit_log() returns trigger language plpgsql set search_path from current as $$
    begin
      if tg_op = 'UPDATE' and tg_level = 'ROW' then
        if new is not distinct from erased_entry(old) then
          return new;
        end if;
      end if;
      raise exception 'the audit log is append-only' using errcode = 'insufficient_privilege';
    end $$;
    drop index client_documents_never_good;
  `)
  for (const table of Object.keys(CLEANED_EARLY)) {
    const fillfactor = table === 'rate_limits' ? 'set (fillfactor = 50)' : 'reset (fillfactor)'
    await knex.raw(`alter table ${table} ${fillfactor}, reset (autovacuum_vacuum_scale_factor,
      autovacuum_vacuum_threshold, autovacuum_vacuum_cost_limit, autovacuum_analyze_scale_factor)`)
  }
}
