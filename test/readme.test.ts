import { execFile } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { AuditEvent } from '../src/event/event.js'
import { migratedDatabase, type TestDatabase } from './support/database.js'
import { packageRoot } from './support/postgres/package-root.js'
import { readTrail } from './support/trail.js'
import { compile, packageUser } from './support/type-check.js'

const run = promisify(execFile)
const README = readFileSync(join(packageRoot(), 'README.md'), 'utf8')
const BLOCKS = [...README.matchAll(/^```ts\n(.*?)^```/gms)].map(([, source = '']) => source)

let database: TestDatabase

beforeAll(async () => {
  database = await migratedDatabase()
})

afterAll(async () => {
  await database.drop()
})

/** The only block that has all of these words. */
function blockWith(...words: readonly string[]): string {
  const found = BLOCKS.filter((source) => words.every((word) => source.includes(word)))
  expect(found, `TypeScript blocks of the README with ${words.join(' and ')}`).toHaveLength(1)
  return found[0] ?? ''
}

/** Compiles a block, and runs what comes of it in a process of its own. @returns what it prints */
async function printed(
  source: string,
  { preloads = [], modules = {} }: { preloads?: readonly string[]; modules?: Record<string, string> } = {},
): Promise<string> {
  const directory = await packageUser()
  expect(await compile(directory, { ...modules, example: source })).toBe('')
  const { stdout } = await run(process.execPath, [...preloads, join(directory, 'example.js')], {
    cwd: packageRoot(),
    env: {
      PATH: process.env['PATH'],
      DATABASE_URL: database.url,
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    },
  })
  return stdout
}

async function newRows(known: readonly AuditEvent[]): Promise<AuditEvent[]> {
  const before = new Set(known.map(({ auditId }) => auditId))
  return (await rows()).filter(({ auditId }) => !before.has(auditId))
}

async function rows(): Promise<AuditEvent[]> {
  const all = await readTrail(database.url)
  return all.map(({ event }) => event).filter(({ operation }) => operation !== 'audit_lifecycle')
}

it('the README points to files that are there', () => {
  const linked = [...README.matchAll(/\]\((?!https?:)([^)#]+)|src="([^"]+)"/g)].map(
    ([, link, src]) => link ?? src ?? '',
  )
  expect(linked.length).toBeGreaterThan(15)
  expect(linked.filter((path) => !existsSync(join(packageRoot(), path)))).toEqual([])
})

describe('the TypeScript of the README', () => {
  it('is there', () => {
    expect(BLOCKS.length).toBeGreaterThanOrEqual(4)
  })

  it('compiles, each block for itself', async () => {
    const blocks = Object.fromEntries(BLOCKS.map((source, i) => [`block-${i + 1}`, source]))
    const files = { ...blocks, ...(await service()) }
    const strictest = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true }
    for (const options of [{}, strictest]) {
      expect(await compile(await packageUser(), files, options)).toBe('')
    }
  })

  it('with an SDK of its own stores its row, and ends', async () => {
    const before = await rows()
    await printed(blockWith('new NodeSDK(', 'audit.start()'))
    expect(await newRows(before)).toMatchObject([
      { credential: 'orders-db', operation: 'get_credential', outcome: 'ok', traceId: expect.any(String) },
    ])
  })

  it('that records for itself stores three rows under the preload, and prints what it was given', async () => {
    const before = await rows()
    const said = await printed(blockWith('recordAsync', 'recordStrict', 'secretAudit.record('), {
      preloads: ['--import', 'otel-audit/register'],
    })
    const stored = await newRows(before)
    const row = { operation: 'get_sealed', outcome: 'no_pubkey', workerId: 'worker-7' }
    expect(stored).toMatchObject([row, row, row])
    const [asyncId, strictId] = stored.map(({ auditId }) => `${auditId}n`)
    expect(said).toMatch(new RegExp(`^${asyncId} ${strictId} \\d+n?\\n$`))
  })

  it('for tests hears of the service of the first example, and prints what its comment says', async () => {
    const source = blockWith('RecordingAuditSink', 'console.log')
    const promised = /console\.log\(.*\/\/ (\[.*\])$/m.exec(source)?.[1]
    expect(promised).toBeDefined()
    const said = await printed(`${source}console.log(sink.events.length)`, { modules: await service() })
    expect(said.replaceAll(/\s/g, '')).toBe(`${promised?.replaceAll(/\s/g, '')}0`)
  })

  it('with guard records the outcome that an error has, or that outcomeOf finds', async () => {
    const before = await rows()
    const source = `${withVault(blockWith('outcomeOf', 'auditOutcome'))}
      for (const worker of ['allowed', 'denied', 'missing', 'broken']) await sealedKey(worker).catch(() => {})`
    await printed(source, { preloads: ['--import', 'otel-audit/register'] })
    expect((await newRows(before)).map(({ outcome, workerId }) => `${workerId} ${outcome}`)).toEqual([
      'allowed ok',
      'denied access_denied',
      'missing credential_not_found',
      'broken other',
    ])
  })
})

/** The first example, as the module that the tests import. */
async function service(): Promise<Record<string, string>> {
  return { 'database-password': withVault(blockWith('databasePassword(requestedBy', 'fromEnv()')) }
}

/** With functions in the place of those that a reader has. */
function withVault(source: string): string {
  return source
    .replace(
      /declare function fetchFromVault.*/,
      `let worker = ''
       const fetchFromVault = async (_: string) => {
         if (worker === 'missing') throw Object.assign(new Error(), { status: 404 })
         if (worker === 'broken') throw new Error()
         return 'canary'
       }
       void worker`,
    )
    .replace(
      /declare function isAllowed.*/,
      `const isAllowed = async (who: string) => { worker = who; return who !== 'denied' }`,
    )
    .replace(
      /declare function statusOf.*/,
      `const statusOf = (error: unknown) => (error as { status?: number }).status`,
    )
}
