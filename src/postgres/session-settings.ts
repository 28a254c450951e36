/** How the settings of a session are given, and held against what the server says afterwards. */

/** Values as the server shows them; durations in ms, as a bare number. */
type Settings = Readonly<Record<string, string>>

/** In the order of what they promise. */
const SYNCHRONOUS_COMMITS = ['off', 'local', 'remote_write', 'on', 'remote_apply'] as const

type SynchronousCommit = (typeof SYNCHRONOUS_COMMITS)[number]

/** Where operators, casts and functions of ours come from. */
export const SEARCH_PATH = 'pg_catalog, pg_temp'

/**
 * What every session has, whatever URL, environment, role, database or server say.
 *
 * Operators and casts come from `pg_catalog` alone: every other name of ours is qualified. `row_security = off` makes a
 * policy an error, where it would be a silence. `client_min_messages` lets the warning of an unconfirmed commit through.
 * The server looks after a client that is gone within seconds, so that nothing of ours stays locked. With a cost of work that has
 * no end the planner finds no plan (XX000).
 */
const EVERYWHERE: Settings = {
  search_path: SEARCH_PATH,
  client_min_messages: 'warning',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  transform_null_equals: 'off',
  array_nulls: 'on',
  quote_all_identifiers: 'off',
  extra_float_digits: '1',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  bytea_output: 'hex',
  row_security: 'off',
  check_function_bodies: 'on',
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  cpu_tuple_cost: '0.01',
  cpu_index_tuple_cost: '0.005',
  cpu_operator_cost: '0.0025',
  lock_timeout: '0',
  idle_session_timeout: '0',
}

/**
 * Given, and not read back: over a socket of Unix they show as 0, and elsewhere what the kernel made of them. In s, but
 * for the last.
 */
const KEEPALIVES: Settings = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '10000',
}

/**
 * Where we read a COPY no faster than we can use it. To the kernel of the server, a client that takes nothing for so long
 * is gone, however well it answers: that ends a verification whenever something else keeps it busy.
 */
const PACED: Settings = { tcp_user_timeout: '0' }

/** No ordinary login can set these; with them, what a session reads or writes is not what the tables say. */
const REFUSED: Settings = {
  session_replication_role: 'origin',
  zero_damaged_pages: 'off',
  ignore_checksum_failure: 'off',
}

/** Known to some servers only, so that a start-up parameter would be refused by the others. */
const NEWER: Settings = { transaction_timeout: '0' }

/** What one session is to be like. */
export interface WantedSettings {
  /** Beside {@link EVERYWHERE}. */
  readonly own: Settings
  /** The least that a commit may promise: what role, database or server set beyond it stays. */
  readonly leastCommit: SynchronousCommit | undefined
  /** Long answers are read as fast as they are used. Default: false. */
  readonly isPaced?: boolean
}

/**
 * The `options` of the start-up message: those of the URL or of `PGOPTIONS` first, since poolers find their way by them
 * (`endpoint=…`, `reference=…`); then ours, since the last value of a setting counts.
 */
export function startupOptions(given: string | undefined, { own, isPaced = false }: WantedSettings): string {
  const alive = isPaced ? { ...KEEPALIVES, ...PACED } : KEEPALIVES
  const ours = Object.entries({ ...EVERYWHERE, ...alive, ...own }).map(
    ([name, value]) => `-c ${name}=${value.replaceAll(/[\\\s]/g, '\\$&')}`,
  )
  return [...(given === undefined || given.trim() === '' ? [] : [given.trim()]), ...ours].join(' ')
}

const COMMIT = 'synchronous_commit'

/** What else is read in the same statement. */
const FACTS = {
  backend: 'pg_catalog.pg_backend_pid()',
  version: "pg_catalog.current_setting('server_version_num')",
  encoding: "pg_catalog.current_setting('server_encoding')",
  startedAt: "pg_catalog.date_part('epoch', pg_catalog.pg_postmaster_start_time())",
} as const

/** What a session is told about its server. */
export type SessionFacts = Readonly<Record<keyof typeof FACTS, string>>

function readNames({ own }: WantedSettings): string[] {
  return [...Object.keys({ ...EVERYWHERE, ...own, ...REFUSED, ...NEWER }), COMMIT]
}

/** One statement that reads all of it back, with one row; a setting that the server does not know is NULL. */
export function readBackSql(wanted: WantedSettings): string {
  const settings = readNames(wanted).map((name) => `pg_catalog.current_setting('${name}', true)`)
  return `select ${[...settings, ...Object.values(FACTS)].join(', ')}`
}

/** A setting that is not what it has to be. */
export interface Difference {
  readonly name: string
  readonly wanted: string
  readonly found: string
}

export interface ReadBack {
  readonly facts: SessionFacts
  /** Which end the session. */
  readonly differences: readonly Difference[]
  /** What is yet to be set: it cannot be a start-up parameter. */
  readonly yetToSet: Settings
}

/** @param row that of {@link readBackSql} */
export function readBack(wanted: WantedSettings, row: readonly unknown[]): ReadBack {
  const names = readNames(wanted)
  const text = (i: number): string | null => {
    const value = row[i] as string | number | null | undefined
    return value === null || value === undefined ? null : String(value)
  }
  const found = new Map(names.map((name, i) => [name, text(i)]))
  const facts = Object.fromEntries(
    Object.keys(FACTS).map((fact, i) => [fact, text(names.length + i) ?? '']),
  ) as SessionFacts
  const differences = Object.entries({ ...EVERYWHERE, ...wanted.own, ...REFUSED })
    .filter(([name, value]) => !isSame(value, found.get(name) ?? null))
    .map(([name, value]) => ({ name, wanted: value, found: found.get(name) ?? 'not there' }))
  const newer = Object.entries(NEWER).filter(([name, value]) => {
    const is = found.get(name) ?? null
    return is !== null && !isSame(value, is)
  })
  return {
    facts,
    differences,
    yetToSet: { ...Object.fromEntries(newer), ...commitToSet(wanted, found.get(COMMIT) ?? null) },
  }
}

function commitToSet({ leastCommit }: WantedSettings, found: string | null): Settings {
  if (leastCommit === undefined) return {}
  const rank = SYNCHRONOUS_COMMITS.indexOf(found as SynchronousCommit)
  return rank >= SYNCHRONOUS_COMMITS.indexOf(leastCommit) ? {} : { [COMMIT]: leastCommit }
}

const UNITS_MS: Readonly<Record<string, number>> = {
  '': 1,
  ms: 1,
  s: 1000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
}

function isSame(wanted: string, found: string | null): boolean {
  if (found === null) return false
  if (wanted === found) return true
  const [, number, unit = ''] = /^(\d+)(ms|s|min|h|d)?$/.exec(found) ?? []
  return /^\d+$/.test(wanted) && Number(wanted) === Number(number) * (UNITS_MS[unit] ?? Number.NaN)
}
