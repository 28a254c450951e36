import { createHash } from 'node:crypto'
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createAudit } from 'otel-audit'
import type { ExportManifest } from 'otel-audit/query'
import type { Client } from 'pg'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { temporaryDirectory } from '../spool/directories.js'
import { connect, migratedDatabase, type TestDatabase } from '../support/database.js'
import { waitUntil } from '../support/wait-until.js'
import { unguard } from './honest-trail.js'
import { otelAudit } from './otel-audit.js'

const ROWS = 40

let database: TestDatabase
let owner: Client
let env: Record<string, string>
let file: string
let manifestFile: string
let manifest: ExportManifest

beforeAll(async () => {
  database = await migratedDatabase()
  owner = await connect(database.url)
  env = { DATABASE_URL: database.url }
  for (const serviceName of ['orders', 'billing']) {
    const audit = createAudit({ databaseUrl: database.url, serviceName })
    for (let i = 0; i < ROWS / 2; i++) {
      const credential = i % 2 === 0 ? 'orders-db' : 'other'
      const outcome = i % 5 === 0 ? 'no_pubkey' : 'ok'
      await audit.service.recordStrict({ credential, operation: 'get_credential', outcome })
    }
    await audit.close()
  }
  await unguard(owner)
})

afterAll(async () => {
  await owner.end()
  await database.drop()
})

beforeEach(async () => {
  await exported('ndjson')
})

/** Once all rows are settled: other databases of the server may be written to meanwhile. */
async function exported(format: string): Promise<void> {
  await waitUntil('all rows to be settled', async () => {
    file = join(temporaryDirectory(), `incident.${format}`)
    manifestFile = `${file}.manifest.json`
    const filter = ['--credential', 'orders-db', '--from', '-1h']
    const { code, stderr } = await otelAudit(['export', ...filter, '--format', format, '--output', file], env)
    expect(code, stderr).toBe(0)
    manifest = JSON.parse(readFileSync(manifestFile, 'utf8')) as ExportManifest
    return manifest.rows === ROWS / 2
  })
}

/** The codes of what was found. */
async function findings(): Promise<string[]> {
  const args = ['verify', '--manifest', manifestFile, '--format', 'json']
  const { code, stdout, stderr } = await otelAudit(args, env)
  expect(code, stderr).toBeLessThan(2)
  const { findings } = JSON.parse(stdout) as { findings: Record<string, number> }
  expect(Object.keys(findings).length > 0).toBe(code === 1)
  return Object.keys(findings).sort()
}

function rewrite(change: (manifest: ExportManifest) => object): void {
  writeFileSync(manifestFile, JSON.stringify({ ...manifest, ...change(manifest) }))
}

/** The file says something else, and its manifest agrees. */
function forge(change: (text: string) => string, more: object = {}): void {
  const text = change(readFileSync(file, 'utf8'))
  writeFileSync(file, text)
  const sha256 = createHash('sha256').update(text).digest('hex')
  rewrite(() => ({ bytes: statSync(file).size, sha256, ...more }))
}

test('an honest export is accepted, also when the trail has grown since', async () => {
  expect(manifest.chains).toHaveLength(2)
  expect(manifest.chains[0]).toMatchObject({
    log: expect.stringMatching(/^otel-audit\//),
    last_block_hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  })
  expect(await findings()).toEqual([])
  await exported('csv')
  expect(await findings()).toEqual([])
})

test('so is one of nothing', async () => {
  const empty = join(temporaryDirectory(), 'empty.ndjson')
  await otelAudit(['export', '--credential', 'nobody', '--output', empty], env)
  manifestFile = `${empty}.manifest.json`
  expect(await findings()).toEqual([])
})

test('a file that was changed, cut or lost is found', async () => {
  const text = readFileSync(file, 'utf8')
  writeFileSync(file, text.replace('"no_pubkey"', '"no_pubkez"'))
  expect(await findings()).toEqual(['export-file'])
  writeFileSync(file, text.slice(0, -10))
  expect(await findings()).toEqual(['export-file'])
  rmSync(file)
  expect(await findings()).toEqual(['export-file'])
  const { stdout } = await otelAudit(['verify', '--manifest', manifestFile, '--format', 'table'], env)
  expect(stdout).toMatch(/^export-file: the file cannot be read/)
})

test('a file that was forged together with its manifest is found', async () => {
  forge((text) => text.replace('"no_pubkey"', '"ok"'))
  expect(await findings()).toEqual(['export-rows'])
  forge((text) => text.slice(text.indexOf('\n') + 1), { rows: manifest.rows - 1 })
  expect(await findings()).toEqual(['export-rows'])
})

test('a manifest with another count, block or hash is found', async () => {
  rewrite(() => ({ outcomes: { ok: manifest.rows } }))
  expect(await findings()).toEqual(['export-rows'])
  rewrite(({ chains }) => ({ chains: chains.slice(1) }))
  expect(await findings()).toEqual(['export-rows'])
  rewrite(({ chains }) => ({
    chains: chains.map((chain) => ({ ...chain, last_block_hash: 'ab'.repeat(32) })),
  }))
  expect(await findings()).toEqual(['anchor-mismatch'])
  rewrite(({ chains }) => ({ chains: chains.map((chain) => ({ ...chain, last_block: '9999' })) }))
  expect(await findings()).toEqual(['anchor-missing', 'export-rows'])
})

test('a row that was changed in the database is found; what is no manifest is not checked', async () => {
  const id = manifest.first_audit_id
  await owner.query(`update noetl.secret_audit set notes = 'later' where audit_id = ${id}`)
  expect(await findings()).toEqual(['export-rows', 'row-changed'])
  await owner.query(`update noetl.secret_audit set notes = null where audit_id = ${id}`)
  for (const text of ['nonsense', '{}', '[]', JSON.stringify({ ...manifest, chains: [{}] })]) {
    writeFileSync(manifestFile, text)
    const { code, stderr } = await otelAudit(['verify', '--manifest', manifestFile], env)
    expect({ code, stderr }).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('AUDIT_EVIDENCE_MALFORMED'),
    })
  }
})
