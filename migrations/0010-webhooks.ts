import type { Knex } from 'knex'

/**
 * Webhooks, what is to be delivered to them, and every attempt at it. A webhook keeps its own position in the stream of
 * events: deliveries are made from it under the webhook's row lock, in the statement that moves the position, so that each
 * event makes one delivery, whichever instance is at it and whenever it is killed.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    create table webhooks (
      id text primary key check (id ~ '^whk_[a-z2-7]{26}$'),
      url text not null check (length(url) between 1 and 2000),
      description text not null default '' check (length(description) <= 500),
      -- Patterns as they were given: user.created, user.*, *.
      events text[] not null check (cardinality(events) between 1 and 100),
      -- Whether the older X-Webhook-* headers are sent beside those of Standard Webhooks.
      legacy_headers boolean not null default false,
      state text not null default 'active' check (state in ('active', 'paused', 'disabled')),
      -- Why it is not active, in words for its owner.
      state_reason text,
      -- By whose rights it sees events: a user id, client id or API key id.
      owner text not null,
      secret_sealed text not null,
      previous_secret_sealed text,
      previous_secret_until timestamptz,
      position bigint not null,
      failures integer not null default 0,
      failing_since timestamptz,
      last_delivered_at timestamptz,
      version integer not null default 1,
      created_at timestamptz not null default now(),
      updated_at timestamptz not null default now(),
      check ((previous_secret_sealed is null) = (previous_secret_until is null)),
      check ((state = 'active') = (state_reason is null))
    );
    create index webhooks_by_creation on webhooks (created_at, id);

    create table webhook_deliveries (
      id text primary key check (id ~ '^dlv_[a-z2-7]{26}$'),
      webhook_id text not null references webhooks (id) on delete cascade,
      -- evt_<number of the event>; of a test, an id of its own.
      event_id text not null,
      event_type text not null,
      -- The body, as it is signed and sent at each attempt.
      body text not null,
      state text not null default 'pending' check (state in ('pending', 'delivered', 'failed')),
      attempts integer not null default 0,
      next_attempt_at timestamptz not null default now(),
      -- Somebody is sending it; after this time they count as gone.
      leased_until timestamptz,
      created_at timestamptz not null default now(),
      finished_at timestamptz,
      check ((state = 'pending') = (finished_at is null))
    );
    create index webhook_deliveries_due on webhook_deliveries (webhook_id, next_attempt_at) where state = 'pending';
    create index webhook_deliveries_by_webhook on webhook_deliveries (webhook_id, created_at, id);
    create index webhook_deliveries_finished on webhook_deliveries (finished_at) where finished_at is not null;

    create table webhook_attempts (
      delivery_id text not null references webhook_deliveries (id) on delete cascade,
      number integer not null,
      at timestamptz not null,
      milliseconds integer not null,
      status integer,
      -- What stood in the way, when there was no answer.
      problem text,
      -- The first bytes of the answer, made harmless.
      answer text,
      primary key (delivery_id, number)
    );
  `)
}

export async function down(knex: Knex): Promise<void> {
  await knex.raw('drop table webhook_attempts, webhook_deliveries, webhooks;')
}
