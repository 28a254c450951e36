import assert from 'node:assert/strict'
import { waitUntil } from '../../test/support/wait-until.js'
import { COMMAND } from '../consumer.js'
import type { Suite, World } from '../suite.js'
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
    const owner = { DATABASE_URL: database.ownerUrl }
    await started(world, [])
    await check('query', async () => {
      const found = await consumer.cli(['query', '--credential', 'strict', '--format', 'ndjson'], owner)
      assert.match(found, /"credential":"strict"/)
    })
    await check('serve', () => serve(world))
    await check('verify', async () => {
      await consumer.cli(['verify', '--format', 'json'], owner)
      await database.query(FORGERY)
      await assert.rejects(consumer.cli(['verify', '--format', 'json'], owner), /verify .* ended with 1: /)
    })
  },
}

/** Routes and console: what they need is in the package. */
async function serve({ consumer, database }: World): Promise<void> {
  const token = 'canary-token-of-the-matrix-4f1c9a'
  const env = { DATABASE_URL: database.ownerUrl, NOETL_INTERNAL_API_TOKEN: token }
  const program = consumer.start([COMMAND, 'serve', '--port', '0'], env)
  const url = await waitUntil(
    'its address',
    () => /http:\/\/127\.0\.0\.1:\d+/.exec(program.stdout + program.stderr)?.[0],
  )
  const read = await fetch(`${url}/api/internal/secret-audit?credential=strict`, {
    headers: { authorization: `Bearer ${token}` },
  })
  assert.equal(read.status, 200)
  assert.match(await read.text(), /"credential":"strict"/)
  const page = await fetch(url)
  assert.equal(page.status, 200)
  assert.match(page.headers.get('content-type') ?? '', /^text\/html/)
  await program.terminate()
}
