import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitUntil } from '../../test/support/wait-until.js'
import { fakeProviders } from '../providers.js'
import type { Suite, World } from '../suite.js'
import { CLIENT_NAMES, REGISTER } from './clients.js'

/** The clients of AWS and of Vault, as both kinds of module. */
const READ = `
  const { routes } = await import('./client-routes.mjs')
  for (const name of ['secrets-manager', 'node-vault', 'fetch']) console.log(name, (await routes[name]('orders-db')).length)
`

interface Mistake {
  readonly name: string
  readonly args: readonly string[]
  readonly files: Readonly<Record<string, string>>
  /** Which layer sees the three accesses. */
  readonly seen: readonly string[]
  /** What the coverage says, by client. */
  readonly said: Readonly<Record<string, RegExp>>
}

const LOADED_BEFORE = /^not_hooked loaded before/

const MISTAKES: readonly Mistake[] = [
  {
    name: 'register is the first import of an ES module',
    args: ['first-import.mjs'],
    files: {
      'first-import.mjs': `import 'otel-audit/register'\nimport '@aws-sdk/client-secrets-manager'\nimport 'node-vault'\n${READ}`,
    },
    // What it imports are CommonJS modules: they are evaluated behind it.
    seen: ['client', 'client', 'wire'],
    said: { '@aws-sdk/client-secrets-manager': /^hooked/, 'node-vault': /^hooked/ },
  },
  {
    name: 'a preload before register has loaded a client',
    args: ['--import', './loads.mjs', ...REGISTER, 'reads.mjs'],
    files: {
      'loads.mjs': `import { createRequire } from 'node:module'\ncreateRequire(import.meta.url)('@aws-sdk/client-secrets-manager')\n`,
      'reads.mjs': READ,
    },
    // It gets its hook when the application loads it again.
    seen: ['client', 'client', 'wire'],
    said: { '@aws-sdk/client-secrets-manager': LOADED_BEFORE, 'node-vault': /^hooked/ },
  },
  {
    name: 'register is required behind the clients',
    args: ['behind.cjs'],
    files: {
      'behind.cjs': `
        const sm = require('@aws-sdk/client-secrets-manager')
        const vault = require('node-vault')
        require('otel-audit/register')
        setTimeout(async () => {
          const client = new sm.SecretsManagerClient()
          console.log('secrets-manager', (await client.send(new sm.GetSecretValueCommand({ SecretId: 'orders-db' }))).SecretString.length)
          console.log('node-vault', (await vault().read('secret/data/orders-db')).data.data.password.length)
          console.log('fetch', (await (await import('./client-routes.mjs')).routes.fetch('orders-db')).length)
        }, 2000)
      `,
    },
    seen: ['wire', 'wire', 'wire'],
    said: { '@aws-sdk/client-secrets-manager': LOADED_BEFORE, 'node-vault': LOADED_BEFORE },
  },
]

/** What users do at first: nothing is missed, and what is not as it should be is said. */
export const MISTAKES_SUITE: Suite = {
  name: 'the usual mistakes',
  about: CLIENT_NAMES,
  async run(world) {
    await world.consumer.take('matrix/apps', 'client-routes.mjs')
    for (const mistake of MISTAKES) await world.check(mistake.name, () => made(world, mistake))
  },
}

async function made({ consumer, database }: World, { args, files, seen, said }: Mistake): Promise<string> {
  for (const [name, text] of Object.entries(files)) await writeFile(join(consumer.directory, name), text)
  const from = await fakeProviders()
  try {
    const before = (await database.rows()).length
    const { code, stdout, stderr } = await consumer.run(args, { DATABASE_URL: database.url, ...from.env })
    assert.equal(code, 0, stderr)
    const { length } = from.value
    assert.equal(stdout, `secrets-manager ${length}\nnode-vault ${length}\nfetch ${length}\n`)
    const rows = await waitUntil('the rows', async () => {
      const more = (await database.rows()).slice(before)
      return more.length >= seen.length && more
    })
    assert.deepEqual(
      rows.map((row) => row.seen),
      seen,
    )
    const { rows: coverage } = await database.query<{ credential: string; text: string }>(
      `select credential, concat_ws(' ', outcome, attributes ->> 'reason') as text from noetl.secret_audit
       where operation = 'audit_coverage' order by audit_id`,
    )
    for (const [client, wanted] of Object.entries(said)) {
      const texts = coverage.filter(({ credential }) => credential.startsWith(client)).map(({ text }) => text)
      assert.ok(
        texts.some((text) => wanted.test(text)),
        `${client}: ${texts.join('; ')}; ${stderr}`,
      )
    }
    return `${seen.join(', ')}; ${Object.keys(said).join(', ')}`
  } finally {
    await from.close()
  }
}
