import type { Knex } from 'knex'

/**
 * What lists are sorted and filtered by. An order whose index ends with the id lets a page begin anywhere at the same cost;
 * `text_pattern_ops` is what `like 'prefix%'` needs in any collation.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create index users_by_update on users (updated_at, id);
    create index users_disabled on users (created_at, id) where disabled_at is not null;
    create index users_by_role on users using gin (roles);
    create index users_by_username_prefix on users (username text_pattern_ops);
    create index users_by_email_prefix on users (email text_pattern_ops);
    create index users_by_name_prefix on users (lower(name) text_pattern_ops);

    create index clients_by_creation on clients (created_at, id);
    create index clients_by_name on clients (name, id);
    create index resources_by_creation on resources (created_at, id);
    create index resources_by_name on resources (name, id);
    create index api_keys_by_creation on api_keys (created_at, id);

    create index audit_log_by_time on audit_log (at);
    create index audit_log_by_action on audit_log (action, id);
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop index audit_log_by_action, audit_log_by_time, api_keys_by_creation, resources_by_name, resources_by_creation,
      clients_by_name, clients_by_creation, users_by_name_prefix, users_by_email_prefix, users_by_username_prefix,
      users_by_role, users_disabled, users_by_update;
  `)
}
