import { readFile } from 'node:fs/promises'
import { enrolmentKeyName, logNameFor } from '../../chain/chain-key.js'
import { NoteSigner, type VerifierKey } from '../../chain/note-key.js'
import { AuditError } from '../../errors.js'
import { firstIdOf } from '../../event/snowflake.js'
import { wallClock } from '../../host/globals.js'
import type { AuditSettings } from '../../options/options.js'
import { resolveOptions, resolveRetentionOptions } from '../../options/resolve.js'
import type { RetentionSettings } from '../../options/retention-options.js'
import type { DatabaseUrl } from '../../postgres/database-url.js'
import { parseTime } from '../../query/time.js'
import { retentionKeyName } from '../../verify/retention-note.js'
import type { Trust } from '../../verify/trust.js'

export interface RetentionFlags {
  readonly before?: string
  readonly databaseUrl?: string
  readonly schema?: string
  readonly origin?: string
  readonly retentionKey?: string
  readonly keep?: string
}

/** What a command about retention works with. */
export interface RetentionCommand {
  readonly settings: AuditSettings & RetentionSettings
  readonly databaseUrl: DatabaseUrl
  /** The first id that is not before the date. */
  readonly bound: bigint
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function retentionCommand(flags: RetentionFlags): RetentionCommand {
  const { databaseUrl, schema, origin, retentionKey, keep } = flags
  const settings = {
    ...resolveOptions({ databaseUrl, schema, origin }, process.env),
    ...resolveRetentionOptions({ retentionKeyFile: retentionKey, retention: keep }, process.env),
  }
  if (settings.databaseUrl === undefined) {
    throw invalid(
      'databaseUrl',
      'no database is given: set NOETL_SECRET_AUDIT_DATABASE_URL or DATABASE_URL, or use --database-url',
    )
  }
  return { settings, databaseUrl: settings.databaseUrl, bound: boundOf(flags.before) }
}

/** A date, a month (`2025-01`), or how long ago (`-365d`). */
function boundOf(before: string | undefined): bigint {
  const text = before !== undefined && /^\d{4}-\d{2}$/.test(before) ? `${before}-01` : (before ?? '')
  const micros = parseTime(text, wallClock())
  if (micros !== undefined && micros <= wallClock() * 1000) return firstIdOf(Math.floor(micros / 1000))
  throw invalid(
    'before',
    '--before takes a date of the past (2025-01-01), a month (2025-01), or how long ago (-365d)',
  )
}

/** What is younger than this is not retired. @throws AuditError `AUDIT_INVALID_OPTION` */
export function refuseYoung(bound: bigint, { retention }: RetentionSettings): void {
  if (retention === undefined) return
  const since = /^\d{1,6}[dwh]$/.test(retention) ? parseTime(`-${retention}`, wallClock()) : undefined
  if (since === undefined)
    throw invalid('retention', `retention must be such as 365d or 52w; got ${retention}`)
  if (bound <= firstIdOf(Math.floor(since / 1000))) return
  throw new AuditError(
    'AUDIT_RETENTION',
    `rows are kept for ${retention} at least, and --before is younger`,
    {
      remedy: 'Give an earlier date. The bound is the option retention (NOETL_SECRET_AUDIT_RETENTION).',
    },
  )
}

export interface RetentionSigner {
  readonly log: string
  readonly signer: NoteSigner
}

/**
 * @param trust what it names of keys is held against the key
 * @throws AuditError `AUDIT_INVALID_OPTION` without a key, and for what is not the operator's retention key
 */
export async function retentionSigner(
  { settings, databaseUrl }: RetentionCommand,
  trust: Trust,
): Promise<RetentionSigner> {
  const { retentionKeyFile: file, origin } = settings
  if (file === undefined) {
    throw invalid(
      'retentionKeyFile',
      'no retention key is given: use --retention-key, or set NOETL_SECRET_AUDIT_RETENTION_KEY_FILE (otel-audit keys create --retention makes one)',
    )
  }
  const log = origin ?? logNameFor(await databaseName(databaseUrl))
  const pem = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw invalid(
      'retentionKeyFile',
      `${file} cannot be read (${String((cause as { code?: unknown }).code)})`,
    )
  })
  let signer: NoteSigner
  try {
    signer = new NoteSigner(retentionKeyName(log), pem)
  } catch (error) {
    throw invalid('retentionKeyFile', `${file}: ${(error as AuditError).reason}`)
  }
  const problem = wrongKey(signer.key, trust, await enrolmentKeyOf(settings, log))
  if (problem === undefined) return { log, signer }
  throw invalid('retentionKeyFile', `${file} ${problem}`)
}

/** Why what a key signs would count for nothing, or could be signed by a service. */
function wrongKey(
  key: VerifierKey,
  { enrolment, retention = [] }: Trust,
  own: VerifierKey | undefined,
): string | undefined {
  const isIt = (other: VerifierKey): boolean => Buffer.compare(other.publicKey, key.publicKey) === 0
  if ([...enrolment, ...(own === undefined ? [] : [own])].some(isIt))
    return 'is the enrolment key, which services have: make a key that no service has (otel-audit keys create --retention)'
  if (retention.length === 0 || retention.some((other) => String(other) === String(key))) return undefined
  return `is not a retention key of the trust file, and what it signs would not be believed: use that one, or add the line "retention ${String(key)}"`
}

/** The key that the rows of this command are signed in the name of, where it is configured. */
async function enrolmentKeyOf(
  { enrolmentKey, enrolmentKeyFile }: AuditSettings,
  log: string,
): Promise<VerifierKey | undefined> {
  const pem =
    enrolmentKeyFile === undefined
      ? enrolmentKey
      : await readFile(enrolmentKeyFile, 'utf8').catch(() => undefined)
  if (pem === undefined) return undefined
  try {
    return new NoteSigner(enrolmentKeyName(log), pem).key
  } catch {
    // Whoever writes the rows says what is wrong with it.
    return undefined
  }
}

async function databaseName(databaseUrl: DatabaseUrl): Promise<string> {
  const url = typeof databaseUrl === 'string' ? databaseUrl : await databaseUrl()
  const name = URL.canParse(url) ? decodeURIComponent(new URL(url).pathname.slice(1)) : ''
  if (name !== '') return name
  throw invalid('origin', 'the database URL names no database to call the log after: use --origin')
}

function invalid(field: string, message: string): AuditError {
  return new AuditError('AUDIT_INVALID_OPTION', message, { field })
}
