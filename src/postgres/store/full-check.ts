import type { HealthFinding } from '../../contract/sink.js'
import { setTimeout } from '../../host/globals.js'
import type { Connection } from '../connection.js'
import { parseAllowed } from './allowed.js'
import { type Inspection, inspectStore } from './inspection.js'
import { judgeStore } from './judge.js'
import { KnownRelations } from './known-relations.js'

/** What a store is checked for. */
export interface StoreCheck {
  readonly schema: string
  /** The option. */
  readonly synchronousCommit: 'on' | 'remote_apply'
  /** Lines of `allowInStore`. */
  readonly allowed: ReadonlySet<string>
}

/** From options as they are given. */
export function storeCheck(options: {
  readonly schema: string
  readonly synchronousCommit: 'on' | 'remote_apply'
  readonly allowInStore?: string | undefined
}): StoreCheck {
  const { schema, synchronousCommit, allowInStore = '' } = options
  return { schema, synchronousCommit, allowed: parseAllowed(allowInStore) }
}

export interface CheckedStore {
  /** Errors: a receipt could be untrue. */
  readonly findings: readonly HealthFinding[]
  readonly relations: KnownRelations
  /** That of the session: what role or database ask for may be more than the option. */
  readonly synchronousCommit: string
}

/** How long after an error it is looked at again, in ms: a table may be in the middle of a change of its owner's. */
const AGAIN_AFTER_MS = 1000

/** The catalogs are locked for moments only. A plan for one run is not worth compiling. */
const SETTINGS = `set lock_timeout = '2s'; set jit = off`

/** Settings without which "committed" does not mean "durable". */
const MUST_BE_ON = ['fsync', 'full_page_writes'] as const

/**
 * Looks at all relations of the store, and at what a commit is worth. Errors are read twice.
 *
 * @param connection of its own: settings of the session are changed
 * @throws what the connection throws. Nothing has been found out then
 */
export async function fullCheck(connection: Connection, check: StoreCheck): Promise<CheckedStore> {
  await connection.run((client) => client.query(SETTINGS))
  const look = async (): Promise<CheckedStore> =>
    judged(await connection.run((client) => inspectStore(client, check.schema)), check)
  const first = await look()
  if (!first.findings.some(({ level }) => level === 'error')) return first
  await new Promise<void>((resolve) => setTimeout(() => resolve(), AGAIN_AFTER_MS))
  return look()
}

function judged(store: Inspection, check: StoreCheck): CheckedStore {
  return {
    findings: [...settingFindings(store.settings, check), ...judgeStore(store, check.allowed)],
    relations: new KnownRelations(store.relations),
    synchronousCommit: store.settings.synchronous_commit,
  }
}

function settingFindings(
  settings: Inspection['settings'],
  { synchronousCommit }: StoreCheck,
): HealthFinding[] {
  const findings = MUST_BE_ON.filter((setting) => settings[setting] !== 'on').map((setting) => ({
    level: 'error' as const,
    check: setting,
    message: `${setting} is ${settings[setting]}: a crash of the server loses committed rows; as a superuser: ALTER SYSTEM RESET ${setting}; SELECT pg_reload_conf()`,
  }))
  if (synchronousCommit !== 'remote_apply' || settings.synchronous_standby_names.trim() !== '')
    return findings
  const message =
    'synchronousCommit is remote_apply, and the server has no synchronous standby to wait for: set synchronous_standby_names'
  return [...findings, { level: 'error', check: 'synchronous_standby_names', message }]
}
