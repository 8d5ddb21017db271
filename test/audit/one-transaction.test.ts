import test from 'ava'
import type { Knex } from 'knex'
import { testDatabase } from '../support/database.ts'
import { dump, entries, everyVerb } from './fixture.ts'

const CHANGED = [
  'users',
  'clients',
  'client_secrets',
  'resources',
  'consents',
  'sessions',
  'grants',
  'api_keys',
  'registration_tokens',
  'signing_keys',
]

/** Faults that can be switched on: `entry` refuses audit entries, `change` refuses the change, at COMMIT, after everything. */
async function withFaults(db: Knex): Promise<(fault: 'entry' | 'change' | 'none') => Promise<void>> {
  await db.raw(`
    create table faults (name text);
    create function fail() returns trigger language plpgsql as $$ begin
      if exists (select from faults where name = tg_argv[0]) then raise exception 'fault'; end if;
      return new;
    end $$;
    create trigger fault before insert on audit_log for each row execute function fail('entry');
  `)
  for (const table of CHANGED) {
    await db.raw(`create constraint trigger fault after insert or update or delete on ${table}
      deferrable initially deferred for each row execute function fail('change')`)
  }
  return async (fault) => {
    await db('faults').delete()
    await db('faults').insert({ name: fault })
  }
}

test('every verb records what it did; an entry that fails stops the change, a change that fails leaves no entry', async (t) => {
  const db = await testDatabase(t)
  const set = await withFaults(db.knex)
  const { verbs } = everyVerb(db, 'cli')
  const state = async () => dump(db.knex, ['faults'])
  const recorded = async () => (await entries(db.knex)).map(({ action }) => action)

  for (const { actions, run, prepare } of verbs) {
    await prepare()
    const [name, before, log] = [actions.join(), await state(), await recorded()]
    await set('entry')
    await t.throwsAsync(run(), { message: /fault/ }, name)
    t.deepEqual(await state(), before, `${name}: nothing changed without an entry`)

    await set('change')
    await t.throwsAsync(run(), { message: /fault/ }, name)
    t.deepEqual(await recorded(), log, `${name}: no entry without the change`)

    await set('none')
    await run()
    t.deepEqual((await recorded()).slice(log.length), actions)
  }
})

test('what changes nothing records nothing', async (t) => {
  const { knex, ...db } = await testDatabase(t)
  const { verbs } = everyVerb({ knex, ...db }, 'cli')
  for (const { actions, run, prepare } of verbs) {
    await prepare()
    await run()
    const log = await entries(knex)
    if (
      /^(user|client|resource)\.(update|disable|enable)|withdraw|(?:api_key|registration_token)\.revoke|rewrap$/.test(
        actions.join(),
      )
    ) {
      await run()
      t.deepEqual(await entries(knex), log, actions.join())
    }
  }
})
