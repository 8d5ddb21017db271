/** A database whose clock stands still until the test moves it: hours pass at once, and a busy machine loses none. */
import pg from 'pg'
import { testDatabaseUrl, type Teardown } from '../support/database.ts'

export interface ClockedDatabase {
  url: string
  /** Moves the clock of every connection. */
  later(seconds: number): Promise<void>
}

export async function clockedDatabase(t: Teardown): Promise<ClockedDatabase> {
  const url = await testDatabaseUrl(t)
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  t.teardown(() => client.end())
  // Names are looked up in the order of the path; without being named in it, pg_catalog would come first.
  await client.query(`
    create schema standing;
    create table standing.clock as select pg_catalog.clock_timestamp() as at;
    create function standing.clock_timestamp() returns timestamptz volatile language sql
      return (select at from standing.clock);
    create function standing.now() returns timestamptz stable language sql
      return (select at from standing.clock);
    do $$ begin
      execute format('alter database %I set search_path = standing, pg_catalog, public', current_database());
    end $$`)
  return {
    url,
    later: async (seconds) =>
      void (await client.query('update standing.clock set at = at + make_interval(secs => $1)', [seconds])),
  }
}
