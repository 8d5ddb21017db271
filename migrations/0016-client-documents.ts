import type { Knex } from 'knex'

/**
 * Clients that describe themselves in a document at the URL that is their client_id, and what is known of each such
 * document: until when it need not be fetched again, who is fetching it, why the last attempt failed.
 */
export async function up(knex: Knex): Promise<void> {
  await knex.raw(`
    alter table clients
      add column metadata_url text unique check (length(metadata_url) <= 500),
      -- Whoever can put a file on a web server is such a client: nothing of a registered one's rights is for it.
      add constraint clients_of_documents_are_bounded check (metadata_url is null or (
        self_registered and not first_party and not built_in and token_endpoint_auth_method = 'none'
        and grant_types <@ array['authorization_code', 'refresh_token']));

    -- No reference to clients: what anybody can make us fetch makes no client. A person who allows something does.
    create table client_documents (
      url text primary key check (length(url) <= 500),
      -- What it said when it was last good.
      name text,
      redirect_uris text[],
      etag text check (length(etag) <= 200),
      -- When its host last answered with it, or that it is unchanged.
      confirmed_at timestamptz,
      fresh_until timestamptz not null default '-infinity',
      -- Why the last attempt failed, in words; and whether the host could not be asked, so that the last good one still counts.
      failure text,
      is_unreachable boolean not null default false,
      failed_until timestamptz not null default '-infinity',
      -- One instance fetches at a time; the lease ends by itself when that instance dies.
      fetching_until timestamptz not null default '-infinity',
      asked_at timestamptz not null default now(),
      constraint said_as_a_whole check (
        (name is null) = (redirect_uris is null) and (name is null) = (confirmed_at is null))
    );
    create index client_documents_by_age on client_documents (asked_at);
  `)
}

/** Clients that only a document describes can't be told from strangers any more: they go, with what they were granted. */
export async function down(knex: Knex): Promise<void> {
  await knex.raw(`
    drop table client_documents;
    delete from clients where metadata_url is not null;
    alter table clients drop constraint clients_of_documents_are_bounded, drop column metadata_url;
  `)
}
