import { join } from 'node:path'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { packageRoot } from '../support/postgres/package-root.js'
import { Program } from '../support/program.js'
import { readTrail } from '../support/trail.js'

// Something has been put in the place of node:crypto before this library was loaded. What is put there later counts for
// nothing: truth/serialised.

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(() => database.drop())

async function recorded(change: string): Promise<Program> {
  const preload = `import crypto from 'node:crypto'; import { syncBuiltinESMExports } from 'node:module'; ${change}; syncBuiltinESMExports()`
  const app = join(packageRoot(), 'test/truth/apps/records.mjs')
  const program = new Program({
    args: [
      '--import',
      `data:text/javascript,${encodeURIComponent(preload)}`,
      app,
      '{"strict":true}',
      'strict,close',
    ],
    cwd: packageRoot(),
    env: { U: database.url },
  })
  onTestFinished(() => program.kill())
  await program.exit
  return program
}

test.each([
  ['SHA-256', `const of = crypto.hash; crypto.hash = (name, data, how) => of('sha1', data, how)`],
  ['SHA-256', `crypto.hash = () => 'x'.repeat(32)`],
  ['signing', `crypto.sign = () => Buffer.alloc(64)`],
  ['verifying signatures', `crypto.verify = () => true`],
  ['verifying signatures', `crypto.verify = () => false`],
  ['random bytes', `crypto.randomBytes = (count) => Buffer.alloc(count)`],
  ['a function of node:crypto that throws', `crypto.createPrivateKey = () => { throw new Error('canary') }`],
])('%s: nothing strict is granted, and why is said: %s', async (what, change) => {
  const { stdout, stderr } = await recorded(change)
  expect(stdout).toBe('refused AUDIT_SELF_TEST not-stored\n')
  expect(stderr).toContain(`${what} is not what it should be in this process`)
  expect(stderr).not.toContain('canary')
  const rows = await readTrail(database.url)
  expect(rows.filter(({ event }) => event.operation !== 'audit_gap')).toEqual([])
})

test('nothing is said of what only looks on', async () => {
  const { stdout } = await recorded(
    `for (const name of ['hash', 'sign', 'randomBytes']) { const of = crypto[name]; crypto[name] = (...given) => of(...given) }`,
  )
  expect(stdout).toMatch(/^receipt \d+\n$/)
})
