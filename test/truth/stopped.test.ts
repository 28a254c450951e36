import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { migratedDatabase, type TestDatabase } from '../support/database.js'
import { readTrail } from '../support/trail.js'
import { verifiedTrail } from '../support/verified.js'
import { waitUntil } from '../support/wait-until.js'

// A whole service is frozen in the middle of its work, for longer than any of its and its server's deadlines of a statement.

interface Said {
  readonly kind: 'async' | 'strict' | 'end'
  readonly credential: string
  readonly row?: 'stored' | 'not-stored' | 'unknown'
  readonly droppedAsync?: number
}

const APP = fileURLToPath(new URL('apps/stopped.mjs', import.meta.url))
const FROZEN_MS = 3000
let database: TestDatabase
let service: ChildProcess
const said: Said[] = []

beforeEach(async () => {
  database = await migratedDatabase()
  said.length = 0
  service = spawn(process.execPath, [APP, database.url], { stdio: ['pipe', 'pipe', 'inherit'] })
  const { stdout } = service
  if (stdout === null) throw new Error('no output')
  createInterface({ input: stdout }).on('line', (line) => said.push(JSON.parse(line) as Said))
})

afterEach(async () => {
  service.kill('SIGKILL')
  await database.drop()
})

const answers = (): number => said.filter(({ row }) => row === 'stored').length

test('stopped and continued: callers get a true answer, nothing is lost, nothing is there twice', async () => {
  for (let round = 1; round <= 3; round++) {
    const before = answers()
    await waitUntil('answers', () => answers() >= before + 50)
    service.kill('SIGSTOP')
    await new Promise((resolve) => setTimeout(resolve, FROZEN_MS))
    service.kill('SIGCONT')
  }
  const before = answers()
  await waitUntil('answers afterwards', () => answers() >= before + 50)
  service.stdin?.write('end\n')
  await once(service, 'close')
  expect(said.at(-1)).toMatchObject({ kind: 'end', droppedAsync: 0, pending: 0 })

  const rows = new Map<string, number>()
  for (const { event } of await readTrail(database.url)) {
    const name = `${event.outcome} ${event.credential}`
    rows.set(name, (rows.get(name) ?? 0) + 1)
  }
  const timesOf = ({ credential }: Said): number => rows.get(`ok ${credential}`) ?? 0
  const wrong = said.filter((one) => {
    if (one.kind === 'end') return false
    if (one.kind === 'async' || one.row === 'stored') return timesOf(one) !== 1
    if (one.row === 'not-stored') return timesOf(one) !== 0
    // It is in the trail with a row that says that the secret was withheld, or it is not.
    return timesOf(one) !== (rows.get(`withheld ${one.credential}`) ?? 0)
  })
  expect(wrong).toEqual([])
  expect(Math.max(...rows.values())).toBe(1)
  expect((await verifiedTrail(database.url)).found).toEqual([])
}, 120_000)
