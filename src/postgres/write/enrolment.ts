import { JSON } from '../../host/globals.js'
import { readFileSync, statSync } from 'node:fs'
import { enrolmentKeyName, logNameFor } from '../../chain/chain-key.js'
import { isKeyName, NoteSigner } from '../../chain/note-key.js'
import { AuditError } from '../../errors.js'
import { ownWork } from '../../instrument/claim.js'
import type { HealthFinding } from '../../contract/sink.js'

/** The log that a chain belongs to, and the key that enrols it there. */
export interface EnrolmentOptions {
  /** Name of the log. Default: from the name of the database. */
  readonly origin: string | undefined
  /** PKCS#8 in PEM. */
  readonly enrolmentKey: string | undefined
  readonly enrolmentKeyFile: string | undefined
}

/** Who can read it can enrol chains in the operator's name. */
const OTHERS_MAY_READ = 0o044

/**
 * What can be known of log and enrolment key before the database is.
 *
 * @throws AuditError `AUDIT_INVALID_OPTION` when the log cannot be called so, or its enrolment key cannot be read
 */
export function checkEnrolment(options: EnrolmentOptions): void {
  const log = options.origin ?? logNameFor('any')
  checkLogName(log)
  enrolmentSigner(log, options)
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function checkLogName(log: string): void {
  if (isKeyName(log)) return
  const message = `origin must be the name of a log, without spaces and plus signs; got ${JSON.stringify(log)}`
  throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'origin' })
}

/** @throws AuditError `AUDIT_INVALID_OPTION` */
export function enrolmentSigner(
  log: string,
  { enrolmentKey, enrolmentKeyFile }: EnrolmentOptions,
): NoteSigner | undefined {
  const pem = enrolmentKey ?? (enrolmentKeyFile === undefined ? undefined : keyFile(enrolmentKeyFile))
  if (pem === undefined) return undefined
  try {
    return new NoteSigner(enrolmentKeyName(log), pem)
  } catch (cause) {
    const field = enrolmentKey === undefined ? 'enrolmentKeyFile' : 'enrolmentKey'
    const what = `${field} must be an Ed25519 private key, PKCS#8 in PEM (otel-audit keys create makes one)`
    const isPath = field === 'enrolmentKey' && !pem.includes('-----BEGIN')
    const hint = isPath ? '; the path of a file belongs in enrolmentKeyFile' : ''
    throw new AuditError('AUDIT_INVALID_OPTION', `${what}${hint}`, { field, cause })
  }
}

/** What else is to be said of a key that can be used. */
export function enrolmentFindings({
  enrolmentKey,
  enrolmentKeyFile,
}: EnrolmentOptions): readonly HealthFinding[] {
  // Where there are no user ids, the bits of the mode say nothing either.
  if (enrolmentKey !== undefined || enrolmentKeyFile === undefined || process.getuid === undefined) return []
  const mode = statSync(enrolmentKeyFile, { throwIfNoEntry: false })?.mode ?? 0
  if ((mode & OTHERS_MAY_READ) === 0) return []
  const message = `users other than its owner can read the private key: chmod 600 ${enrolmentKeyFile}`
  return [{ level: 'warning', check: 'enrolment', message }]
}

function keyFile(path: string): string {
  try {
    return ownWork(() => readFileSync(path, 'utf8'))
  } catch (error) {
    const code = (error as { code?: unknown }).code
    const message = `enrolmentKeyFile ${path} cannot be read (${String(code)})`
    throw new AuditError('AUDIT_INVALID_OPTION', message, { field: 'enrolmentKeyFile' })
  }
}
