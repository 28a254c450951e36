import assert from 'node:assert/strict'
import type { Suite } from '../suite.js'
import { started } from './started.js'

/** As a superuser can. */
const FORGERY = `
  do $$ declare relation regclass; begin
    for relation in select tgrelid::regclass from pg_trigger where tgname like 'secret_audit_append_only%' loop
      execute format('alter table %s disable trigger all', relation);
    end loop;
    update noetl.secret_audit set outcome = 'other' where credential = 'strict';
  end $$`

/** The command as npm linked it. */
export const CLI: Suite = {
  name: 'command line',
  async run(world) {
    const { consumer, database, check } = world
    const env = { DATABASE_URL: database.url }
    await check('--version', async () => {
      assert.equal((await consumer.cli(['--version'])).trim(), await consumer.version('otel-audit'))
    })
    await check('migrate again', async () => {
      await consumer.cli(['migrate', '--roles'], { DATABASE_URL: database.ownerUrl })
    })
    await check('doctor', async () => {
      const { ok } = JSON.parse(await consumer.cli(['doctor', '--format', 'json'], env)) as { ok: boolean }
      assert.equal(ok, true)
    })
    await check('verify', async () => {
      await started(world, [])
      const owner = { DATABASE_URL: database.ownerUrl }
      await consumer.cli(['verify', '--format', 'json'], owner)
      await database.query(FORGERY)
      await assert.rejects(consumer.cli(['verify', '--format', 'json'], owner), /verify .* ended with 1: /)
    })
  },
}
