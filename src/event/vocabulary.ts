import { JSON } from '../host/globals.js'
import { AuditError } from '../errors.js'
import { nearest } from './nearest.js'

const OPERATIONS = [
  'get_sealed',
  'cross_region_broker_serve',
  'resolve_keychain',
  'get_credential',
  'audit_lifecycle',
  'audit_gap',
  'audit_quarantine',
  'query_trail',
  'export_trail',
  'use_key',
  'issue_credential',
  'write_credential',
  'assume_identity',
  'audit_coverage',
  'audit_retention',
  'audit_hold',
  'audit_verify',
] as const

const OUTCOMES = [
  'ok',
  'residency_violation',
  'broker_unreachable',
  'credential_not_found',
  'no_pubkey',
  'wrong_region',
  'provider_fetch_error',
  'template_error',
  'started',
  'stopped',
  'mode_changed',
  'lost',
  'withheld',
  'other',
  'access_denied',
  'throttled',
  'decryption_failure',
  'invalid_state',
  'invalid_request',
  'provider_unreachable',
  'aborted',
  'requested',
  'hooked',
  'not_hooked',
  'wire',
  'observed',
] as const

declare const extension: unique symbol
type Extended<Kind extends string> = string & { readonly [extension]: Kind }

/** What was attempted: one of the closed set, or a name made by {@link Operation.define}. */
export type Operation = (typeof OPERATIONS)[number] | Extended<'operation'>

/** How the attempt ended: one of the closed set, or a name made by {@link Outcome.other}. */
export type Outcome = (typeof OUTCOMES)[number] | Extended<'outcome'>

/** The closed set of operations. Each always has metric series of its own. */
export const KNOWN_OPERATIONS: readonly string[] = Object.freeze([...OPERATIONS])
/** The closed set of outcomes. Each always has metric series of its own. */
export const KNOWN_OUTCOMES: readonly string[] = Object.freeze([...OUTCOMES])

const LONGEST_NAME = 64

/** Lower snake case, 1 to 64 characters. */
const NAME = /^[a-z][a-z0-9_]{0,63}$/

const KNOWN: ReadonlySet<unknown> = new Set([...OPERATIONS, ...OUTCOMES])

export function isVocabularyName(value: unknown): value is string {
  return KNOWN.has(value) || (typeof value === 'string' && NAME.test(value))
}

/** Operations of rows that only the pipeline itself writes. A read of the trail is recorded by what serves it. */
const OWN_OPERATIONS: ReadonlySet<string> = new Set([
  'audit_lifecycle',
  'audit_gap',
  'audit_coverage',
  'audit_quarantine',
  'audit_retention',
  'audit_hold',
  'audit_verify',
])

/** Whether only the pipeline itself writes such rows. */
export function isOwnOperation(operation: string): boolean {
  return OWN_OPERATIONS.has(operation)
}

/** Operations of what the trail writes of its own work. Lost and quarantined events are no such work. */
export const ROUTINE_OPERATIONS: readonly string[] = Object.freeze([
  'audit_lifecycle',
  'audit_coverage',
  'audit_verify',
  'query_trail',
  'export_trail',
])

/** Operations of every row that the product writes about itself: none of them is an access to a credential. */
export const TRAIL_OPERATIONS: readonly string[] = Object.freeze([
  ...new Set([...OWN_OPERATIONS, ...ROUTINE_OPERATIONS]),
])

/** Whether such a row is about the trail's own work, and says nothing about an access or a loss. */
export function isRoutine(operation: string): boolean {
  return ROUTINE_OPERATIONS.includes(operation)
}

/**
 * For what an application records: otherwise a forged gap could not be told from a real one.
 *
 * @throws AuditError `AUDIT_INVALID_EVENT`
 */
export function checkNotOwn(operation: string): void {
  if (!isOwnOperation(operation)) return
  const message = `operation ${operation} is for the rows that the pipeline writes about itself`
  throw new AuditError('AUDIT_INVALID_EVENT', message, { field: 'operation' })
}

/** The error for a value that is not an operation or outcome. It never quotes the value: any field may hold a secret by mistake. */
export function notAName(field: 'operation' | 'outcome', value: unknown): AuditError {
  const maker = field === 'operation' ? 'Operation.define' : 'Outcome.other'
  const got = typeof value === 'string' ? `a string of ${value.length} characters` : typeName(value)
  const known = field === 'operation' ? OPERATIONS : OUTCOMES
  // Only what could be one by its length: comparing takes as long as both are.
  const hint = typeof value === 'string' && value.length <= LONGEST_NAME ? nearest(value, known) : undefined
  return new AuditError(
    'AUDIT_INVALID_EVENT',
    `${field} must be lower snake case of 1 to 64 characters, beginning with a letter (${maker}); got ${got}` +
      (hint === undefined ? '' : `; did you mean ${JSON.stringify(hint)}?`),
    { field },
  )
}

/** What a value is, without saying what it says. */
export function typeName(value: unknown): string {
  if (value === null) return 'null'
  return Array.isArray(value) ? 'array' : typeof value
}

function vocabularyName(kind: 'operation' | 'outcome', name: string): string {
  if (!isVocabularyName(name)) throw notAName(kind, name)
  if (kind === 'operation') checkNotOwn(name)
  return name
}

export const Operation = Object.freeze({
  /** Sealed delivery of a credential to a worker's public key. */
  GetSealed: 'get_sealed',
  /** A region serves another region's request. */
  CrossRegionBrokerServe: 'cross_region_broker_serve',
  /** A keychain entry is resolved through its provider. */
  ResolveKeychain: 'resolve_keychain',
  /** A credential is fetched in plain form by its bearer. */
  GetCredential: 'get_credential',
  /** The trail's own pipeline started, stopped or changed its mode. No application may record it. */
  AuditLifecycle: 'audit_lifecycle',
  /** Events that are known to be missing from the trail. No application may record it. */
  AuditGap: 'audit_gap',
  /** Something that came to the gateway was kept aside, or what was kept aside was dealt with. No application may record it. */
  AuditQuarantine: 'audit_quarantine',
  /** The trail was read. */
  QueryTrail: 'query_trail',
  /** The trail was exported. */
  ExportTrail: 'export_trail',
  /** A key that stays with its provider is used: it decrypts, makes a data key, signs. */
  UseKey: 'use_key',
  /** The provider makes a credential: a database user, a certificate, a token. */
  IssueCredential: 'issue_credential',
  /** A secret is put, changed, rotated, restored or deleted. */
  WriteCredential: 'write_credential',
  /** A workload takes on another identity: STS. */
  AssumeIdentity: 'assume_identity',
  /** Which secret clients of a process are audited, and how. No application may record it. */
  AuditCoverage: 'audit_coverage',
  /** A part of the trail was archived, or is being retired. No application may record it. */
  AuditRetention: 'audit_retention',
  /** Rows are held, so that nothing retires them, or a hold was released. No application may record it. */
  AuditHold: 'audit_hold',
  /** The trail was verified. No application may record it. */
  AuditVerify: 'audit_verify',
  /**
   * An operation of the application's own. The first eight of a process become metric labels; the row always keeps the
   * exact name.
   *
   * @throws AuditError `AUDIT_INVALID_EVENT` unless `name` is lower snake case of 1 to 64 characters, and not one that
   *   only the pipeline itself writes.
   */
  define: (name: string): Operation => vocabularyName('operation', name) as Operation,
})

export const Outcome = Object.freeze({
  /** Release was authorised and recorded. */
  Ok: 'ok',
  /** Policy forbids the credential to leave its region. */
  ResidencyViolation: 'residency_violation',
  /** The region that holds the credential could not be reached. */
  BrokerUnreachable: 'broker_unreachable',
  CredentialNotFound: 'credential_not_found',
  /** The worker has no public key to seal for. */
  NoPubkey: 'no_pubkey',
  /** This region does not hold the credential. */
  WrongRegion: 'wrong_region',
  /** The provider behind a keychain entry failed. */
  ProviderFetchError: 'provider_fetch_error',
  /** The keychain entry's template could not be rendered. */
  TemplateError: 'template_error',
  Started: 'started',
  Stopped: 'stopped',
  ModeChanged: 'mode_changed',
  Lost: 'lost',
  /** The row of an earlier strict event turned out to be stored after its caller had been refused. */
  Withheld: 'withheld',
  /** Failed in a way that has no name of its own. */
  Other: 'other',
  /** The provider knows who asks, or not, and does not allow it. */
  AccessDenied: 'access_denied',
  /** The provider refuses for now: too many requests. */
  Throttled: 'throttled',
  /** The key, or what was to be decrypted, is not the right one, or is disabled. */
  DecryptionFailure: 'decryption_failure',
  /** The secret is there and cannot be read: disabled, destroyed, scheduled for deletion. */
  InvalidState: 'invalid_state',
  /** The provider does not accept the request as it is. */
  InvalidRequest: 'invalid_request',
  /** The provider could not be reached, or did not answer. */
  ProviderUnreachable: 'provider_unreachable',
  /** The caller gave up before the provider had answered. */
  Aborted: 'aborted',
  /** One of several secrets of a request whose answer is not read: whether it was in the answer is not known. */
  Requested: 'requested',
  /** Of coverage: the client is audited by a hook, and its probe came back. */
  Hooked: 'hooked',
  /** Of coverage: the client is loaded, and not audited by a hook. */
  NotHooked: 'not_hooked',
  /** Of coverage: its traffic is audited at the wire. */
  Wire: 'wire',
  /** Of coverage: its traffic is seen, and cannot be held back. */
  Observed: 'observed',
  /**
   * An outcome of the application's own. At most 32 outcomes of a process become metric labels, with those of the closed
   * set that are labels; the row always keeps the exact name.
   *
   * @throws AuditError `AUDIT_INVALID_EVENT` unless `name` is lower snake case of 1 to 64 characters.
   */
  other: (name: string): Outcome => vocabularyName('outcome', name) as Outcome,
})
