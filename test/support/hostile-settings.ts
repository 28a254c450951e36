import { isDeepStrictEqual } from 'node:util'
import type { Client } from 'pg'
import { errorText } from '../../src/host/error-text.js'
import { diagnoseStore } from '../../src/postgres/diagnose.js'
import { migrate } from '../../src/postgres/migrate/migrate.js'
import { PostgresAuditSink } from '../../src/postgres/write/sink.js'
import { Trail } from '../../src/query/trail.js'
import { connect } from './database.js'
import { anEvent, batchOf } from './events.js'
import { Random } from './mutations.js'
import { writerLogin } from './pipeline.js'
import { readTrail } from './trail.js'
import { verifiedTrail } from './verified.js'

/** One setting that somebody has made, and by what. */
interface HostileCase {
  readonly name: string
  readonly value: string
  readonly by: 'role' | 'database' | 'PGOPTIONS'
  /** Only a superuser may give it by PGOPTIONS. */
  readonly isSuperusers: boolean
}

interface Setting {
  readonly name: string
  readonly context: string
  readonly vartype: string
  readonly enumvals: string | null
  readonly min_val: string | null
  readonly max_val: string | null
}

/** Of settings that take any text, those that are known to change what a session means. */
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  search_path: ['public', ''],
  DateStyle: ['SQL, DMY', 'German', 'Postgres, YMD'],
  TimeZone: ['Asia/Kathmandu', 'EST5EDT'],
  client_encoding: ['LATIN1', 'EUC_JP', 'SQL_ASCII'],
  lc_monetary: ['C'],
  lc_numeric: ['C'],
  lc_time: ['C'],
  lc_messages: ['C'],
}

/** Every setting that a user, a superuser or a start may make, with each value of it that is an end. */
async function hostileCases(client: Client): Promise<HostileCase[]> {
  const { rows } = await client.query<Setting>(
    `select name, context, vartype, array_to_string(enumvals, '|') as enumvals, min_val, max_val from pg_settings
     where context in ('user', 'superuser', 'backend', 'superuser-backend') order by name`,
  )
  return rows.flatMap((setting) =>
    valuesOf(setting).flatMap((value) =>
      (['role', 'database', 'PGOPTIONS'] as const).map((by) => ({
        name: setting.name,
        value,
        by,
        isSuperusers: setting.context.startsWith('superuser'),
      })),
    ),
  )
}

function valuesOf({ name, vartype, enumvals, min_val, max_val }: Setting): readonly string[] {
  if (vartype === 'enum') return (enumvals ?? '').split('|')
  if (vartype === 'bool') return ['on', 'off']
  if (vartype === 'string') return TEXTS[name] ?? []
  return [min_val, max_val].filter((value) => value !== null)
}

/** What is not refused by the setting's name, and why it cannot be. */
const REFUSED_OTHERWISE: Readonly<Record<string, RegExp>> = {
  // The server waits before it lets anybody in: there is no session that could say so.
  post_auth_delay: /no answer/,
  // Too little of its own stack for the server's own work.
  max_stack_depth: /54001/,
}

export interface HostileReport {
  readonly cases: number
  /** How many parts were refused by the name of the setting. */
  readonly refusals: number
  /** Cases that the server itself does not take. */
  readonly notTaken: number
  /** What came out otherwise than without the setting. */
  readonly differences: readonly string[]
}

/**
 * Makes one setting after the other, and has a trail written, read, verified, migrated and diagnosed under it. Each must
 * come out as without it, or be refused by its name.
 *
 * @param databaseUrl of an empty trail, as a superuser
 */
export async function hostileSettings(
  databaseUrl: string,
  { seed, only }: { readonly seed?: number | undefined; readonly only?: string | undefined },
  isOver: (done: number, last: string | undefined) => boolean,
): Promise<HostileReport> {
  const owner = await connect(databaseUrl)
  const login = await writerLogin(databaseUrl)
  const user = new URL(login.url).username
  await owner.query(`grant noetl_audit_reader, ${new URL(databaseUrl).username} to ${user}`)
  const cases = (await hostileCases(owner)).filter(({ name }) => only === undefined || only === name)
  if (seed !== undefined) shuffle(cases, new Random(seed))
  const differences: string[] = []
  let [done, refusals, notTaken] = [0, 0, 0]
  const plain = await tried(login.url, owner)
  for (const hostile of cases) {
    if (isOver(done, differences.at(-1))) break
    done++
    const undo = await make(owner, hostile, user)
    if (undo === undefined) {
      notTaken++
      continue
    }
    try {
      const isSuperuser = hostile.by === 'PGOPTIONS' && hostile.isSuperusers
      const outcome = await tried(isSuperuser ? databaseUrl : login.url, owner)
      for (const [part, result] of Object.entries(outcome)) {
        if (isDeepStrictEqual(result, plain[part])) continue
        const text = JSON.stringify(result)
        if (isRefusal(text, hostile.name)) refusals++
        else differences.push(`${part} under ${hostile.name} = ${hostile.value} by ${hostile.by}: ${text}`)
      }
    } finally {
      await undo()
    }
  }
  await owner.end()
  await login.drop()
  return { cases: done, refusals, notTaken, differences }
}

function isRefusal(text: string, name: string): boolean {
  return text.includes('"refused":') && (text.includes(name) || REFUSED_OTHERWISE[name]?.test(text) === true)
}

/** @returns undoes it; undefined when the server does not take it */
async function make(
  owner: Client,
  { name, value, by }: HostileCase,
  role: string,
): Promise<(() => Promise<void>) | undefined> {
  if (by === 'PGOPTIONS') {
    process.env['PGOPTIONS'] = `-c ${name}=${value.replaceAll(/[\\\s]/g, '\\$&')}`
    return async () => void delete process.env['PGOPTIONS']
  }
  const place = by === 'role' ? `role ${role}` : `database "${owner.database}"`
  const text = value === '' ? "''" : name === 'search_path' || name === 'DateStyle' ? value : `'${value}'`
  try {
    await owner.query(`alter ${place} set "${name}" = ${text}`)
  } catch {
    return undefined
  }
  return async () => void (await owner.query(`alter ${place} reset all`))
}

type Outcome = Readonly<Record<string, unknown>>

/** Everything that is done with a trail, in a form that is the same each time. */
async function tried(url: string, owner: Client): Promise<Outcome> {
  const single = batchOf(anEvent({ notes: 'ä€🔑 \\ \'"', attributes: { a: 15, b: '\\x41' } }))
  const several = batchOf(anEvent({ workerId: '2026-01-02' }), anEvent({ executionId: -1n }))
  const events = [...single.entries, ...several.entries].map(({ event }) => event)
  return {
    writer: await outcome(async () => {
      const sink = new PostgresAuditSink({ databaseUrl: url, answerTimeoutMs: 4000 })
      try {
        for (const batch of [single, several]) {
          const result = await sink.write(batch)
          if (result.status !== 'committed')
            throw new Error(`${result.status}: ${'fault' in result ? result.fault.message : ''}`)
          if (Math.abs(result.committedAt / 1000 - Date.now()) > 60_000)
            throw new Error('committed at another time')
        }
      } finally {
        await sink.close()
      }
      const stored = new Map((await readTrail(owner)).map(({ event }) => [event.auditId, event]))
      return events.map((event) => isDeepStrictEqual({ ...stored.get(event.auditId) }, { ...event }))
    }),
    reader: await outcome(async () => {
      const trail = new Trail({ databaseUrl: url, timeoutMs: 5000 })
      try {
        const { rows } = await trail.search({ limit: 1 })
        const histogram = await trail.histogram()
        return [
          rows.map((row) => Object.keys(row)),
          Object.keys(histogram),
          /^\d{4}-\d\d-\d\dT/.test(rows[0]?.occurred_at ?? ''),
        ]
      } finally {
        await trail.close()
      }
    }),
    verifier: await outcome(async () => {
      const { found, rows } = await verifiedTrail(url)
      const stored = await readTrail(owner)
      return [found, rows.proven === stored.length]
    }),
    migrate: await outcome(() => migrate({ databaseUrl: url })),
    doctor: await outcome(async () => {
      const found = await diagnoseStore({
        databaseUrl: url,
        schema: 'noetl',
        applicationName: 'hostile doctor',
        answerTimeoutMs: 4000,
        synchronousCommit: 'on',
      })
      const broken = found.find(({ state }) => state === 'broken')
      if (broken !== undefined) throw new Error(broken.findings[0]?.message)
      // What is said of the login depends on which one it is.
      return found.filter(({ check }) => check !== 'rights').flatMap(({ findings }) => findings)
    }),
  }
}

async function outcome(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    return { refused: errorText(error) }
  }
}

function shuffle(list: unknown[], random: Random): void {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    ;[list[i], list[j]] = [list[j], list[i]]
  }
}
