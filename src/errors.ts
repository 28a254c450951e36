/** What is known about the row of an event when an error reaches the caller. */
export type RowFate = 'stored' | 'not-stored' | 'unknown'

interface CatalogueEntry {
  /** What is known about the row. */
  readonly row: RowFate
  /** What it means, in one sentence. */
  readonly meaning: string
  /** What to do about it. */
  readonly remedy: string
}

/**
 * Every error this library raises. The closed set of codes; `docs/errors.md` is held against it.
 */
export const ERROR_CATALOGUE = Object.freeze({
  AUDIT_INVALID_EVENT: {
    row: 'not-stored',
    meaning:
      'The call describes an event that cannot exist: a wrong type, an unknown key, an empty credential.',
    remedy: 'Correct the call. The message names the field.',
  },
  AUDIT_INVALID_OPTION: {
    row: 'not-stored',
    meaning:
      'An option, or an environment variable that sets one, is unknown or has a value that is not accepted.',
    remedy: 'Correct the option. The message names it, and what it accepts.',
  },
  AUDIT_NO_PIPELINE: {
    row: 'not-stored',
    meaning: 'A strict record was made in a process where no audit pipeline has been started.',
    remedy:
      'Start the process with `--import otel-audit/register`, or call `createAudit(...).start()` first.',
  },
  AUDIT_UNAVAILABLE: {
    row: 'not-stored',
    meaning:
      'The event could not be written before its deadline: it was not sent, or the database refused it.',
    remedy:
      'Look at the cause: the database is down, or it refuses this login. `otel-audit doctor` says what is wrong; `otel-audit migrate` makes a missing schema.',
  },
  AUDIT_TIMEOUT: {
    row: 'unknown',
    meaning: 'The row was sent, and the database did not answer before the deadline. It may be stored later.',
    remedy:
      'Withhold the secret. The writer keeps trying until it knows whether the row is stored; look the row up by its audit id.',
  },
  AUDIT_UNCONFIRMED: {
    row: 'unknown',
    meaning:
      'The database committed locally, and warned that the commit may not have reached its synchronous standby.',
    remedy: 'Withhold the secret. Look at the synchronous standby: `pg_stat_replication` on the primary.',
  },
  AUDIT_REJECTED: {
    row: 'not-stored',
    meaning:
      'The database refused this row itself (a data error or a constraint). The other rows of its batch are not affected.',
    remedy:
      'Look at the SQLSTATE of the cause, and compare the schema version with `otel-audit migrate --dry-run`.',
  },
  AUDIT_QUEUE_FULL: {
    row: 'not-stored',
    meaning:
      'More events are waiting than the queue may hold: the database is slower than the service, or down.',
    remedy: 'Check the database first, then `queueRows` and `queueBytes`.',
  },
  AUDIT_CLOSED: {
    row: 'not-stored',
    meaning: 'The pipeline was closed before this event was recorded, or before it could be written.',
    remedy: 'Record before `close()`; give `close` a longer deadline if events were abandoned.',
  },
  AUDIT_SCHEMA: {
    row: 'not-stored',
    meaning:
      'The tables are missing, older than this version needs, or changed by a newer version in a breaking way.',
    remedy: 'Run `otel-audit migrate` as the owner of the schema, or install the newer version.',
  },
  AUDIT_PACKAGE: {
    row: 'not-stored',
    meaning:
      'Files of this package (SQL, workers, the console) are not where its code is: a bundler has taken the code away from them.',
    remedy:
      'Do not bundle otel-audit: `--external:otel-audit` of esbuild, `external` of webpack, Rollup and Vite, `serverExternalPackages` of Next.js; and install it where the bundle runs.',
  },
  AUDIT_WRITER_THREAD: {
    row: 'not-stored',
    meaning: 'The thread that writes (`writerThread`) cannot be started, or has ended.',
    remedy: 'The message says why. Leave `writerThread` off where there can be no threads.',
  },
  AUDIT_SESSION: {
    row: 'not-stored',
    meaning:
      'A session with the database cannot be as it has to be: a setting, or the encoding, is another one, or a pooler refuses or drops what was asked for.',
    remedy:
      'The message names the setting. Use the address of the server itself, and undo what sets it otherwise.',
  },
  AUDIT_TRAIL: {
    row: 'not-stored',
    meaning:
      'The database has another trail than the one that is asked for, or none that has an identity: a clone, staging, the wrong database or schema.',
    remedy:
      'The message has both identities. Correct the URL or the schema; or, where this trail is meant, the option `trail` or the trust file.',
  },
  AUDIT_MIGRATION: {
    row: 'not-stored',
    meaning: 'A migration could not be applied. The database is as it was before that step.',
    remedy: 'The message says which step and why. Correct the cause, and run `otel-audit migrate` again.',
  },
  AUDIT_INVALID_QUERY: {
    row: 'not-stored',
    meaning: 'A parameter of the query is not valid, or the query would read the whole trail.',
    remedy: 'Correct the parameter. The message names it, and what it accepts.',
  },
  AUDIT_READ_FAILED: {
    row: 'not-stored',
    meaning: 'The trail could not be read: the database is down, or it refuses this login.',
    remedy:
      'Look at the cause. Check the database first, then the rights of the login (`<schema>_audit_reader`).',
  },
  AUDIT_READ_TIMEOUT: {
    row: 'not-stored',
    meaning: 'Reading the trail took longer than `readTimeoutMs`.',
    remedy:
      'Ask for a shorter window of time, or for one credential or execution; if that is not enough, raise `readTimeoutMs`.',
  },
  AUDIT_EXPORT: {
    row: 'not-stored',
    meaning: 'An export cannot be written or resumed: a file is in the way, or has changed since.',
    remedy: 'The message names the file, and what to do with it.',
  },
  AUDIT_ARCHIVE: {
    row: 'not-stored',
    meaning:
      'An archive cannot be written or read: a file is in the way, is missing, or is not the one of its manifest.',
    remedy:
      'The message names the file. `otel-audit verify --archive` says all that is wrong with an archive.',
  },
  AUDIT_RETENTION: {
    row: 'not-stored',
    meaning:
      'Rows cannot be archived, retired or held as things are: what is to go is not archived and proven, is held, or somebody is using it.',
    remedy:
      'The message says which partition, and what is in the way. Nothing was removed that is not archived.',
  },
  AUDIT_SELF_TEST: {
    row: 'not-stored',
    meaning:
      'The start-up self-test found that records would not be durable, and strict mode is on. Strict records are refused.',
    remedy:
      'Each finding in the message says what to change. Then call `start()` again, or restart the process.',
  },
  AUDIT_MISSING_PACKAGE: {
    row: 'not-stored',
    meaning: 'A package that this needs is not installed, or Node is too old.',
    remedy: 'Install what the message names.',
  },
  AUDIT_NOT_COVERED: {
    row: 'not-stored',
    meaning:
      'The option `instrument` is `required`, and a secret client of the process is not covered: its accesses would have no row, or could not be held back.',
    remedy:
      'The message names the client. `otel-audit doctor --app DIR` says what will see each client; docs/coverage.md what to do about one that is not covered.',
  },
  AUDIT_SDK_CONFIG: {
    row: 'not-stored',
    meaning: 'The OpenTelemetry SDK is configured in a way that would silently ignore the audit pipeline.',
    remedy: 'The message names the setting, and what to use instead.',
  },
  AUDIT_PROOF_MALFORMED: {
    row: 'unknown',
    meaning:
      'The Merkle proof is not well-formed: a hash that is not 32 bytes, an index outside the tree, a negative size.',
    remedy: 'Correct the call. Nothing was proven or refuted.',
  },
  AUDIT_PROOF_REFUTED: {
    row: 'unknown',
    meaning: 'The Merkle proof does not lead to the root: its claim about the tree is not true.',
    remedy: 'Treat the claim as false. Compare the root with one from another source.',
  },
  AUDIT_NOTE_MALFORMED: {
    row: 'unknown',
    meaning: 'A signed note, a verifier key or a signing key is not in its format.',
    remedy:
      'Check whether it was truncated or changed in transit; the formats are those of C2SP signed-note.',
  },
  AUDIT_NOTE_REFUTED: {
    row: 'unknown',
    meaning: 'No known key has signed the note, or the signature of a known key does not match its text.',
    remedy: 'Do not trust the text. Check that the verifier keys are those of the log that signed it.',
  },
  AUDIT_BLOCK_MALFORMED: {
    row: 'unknown',
    meaning: 'A text is not the text of a block, or is not in its canonical form.',
    remedy: 'The message names the line; the format is in docs/integrity.md.',
  },
  AUDIT_EVIDENCE_MALFORMED: {
    row: 'unknown',
    meaning: 'A trust file, a file of anchors or a proof is not in its format.',
    remedy: 'The message names the line or the field; the formats are in docs/integrity.md.',
  },
  AUDIT_EVIDENCE_REFUTED: {
    row: 'unknown',
    meaning: 'The proof of a row is well-formed, but does not prove the row.',
    remedy: 'Do not trust the row. The message names the step that fails.',
  },
  AUDIT_VERIFY_STATE: {
    row: 'unknown',
    meaning:
      'The file that `otel-audit verify --state` keeps between its runs cannot be used: it is cut, forged, of another trail, or cannot be read or written.',
    remedy:
      'Nothing was verified. Find out who changed the file: nobody but the verifier should be able to. To begin anew, move it away: the next run verifies everything.',
  },
} satisfies Record<string, CatalogueEntry>)

/** The closed set of error codes. */
export type AuditErrorCode = keyof typeof ERROR_CATALOGUE

/** What an error may say about the event it concerns. Never its notes or attributes. */
export interface AuditErrorSubject {
  readonly auditId?: bigint
  readonly credential?: string
  readonly operation?: string
  readonly outcome?: string
}

export interface AuditErrorOptions {
  readonly cause?: unknown
  readonly event?: AuditErrorSubject | undefined
  /** The field or option at fault. */
  readonly field?: string
  /** What to do about it, where more is known than the catalogue says. */
  readonly remedy?: string
}

/**
 * The only error class of this library.
 *
 * `code` is from a closed set, `row` says what is known about the row. The message names the audit id,
 * credential, operation and outcome where there are any, and never notes, attributes or text of the database
 * beyond SQLSTATE and its primary message.
 */
export class AuditError extends Error {
  override readonly name = 'AuditError'
  readonly code: AuditErrorCode
  /** The message without the code before it and the event behind it: what another message may quote. */
  readonly reason: string
  readonly row: RowFate
  readonly remedy: string
  readonly field: string | undefined
  readonly auditId: bigint | undefined
  readonly credential: string | undefined
  readonly operation: string | undefined
  readonly outcome: string | undefined

  constructor(code: AuditErrorCode, reason: string, options: AuditErrorOptions = {}) {
    const { event } = options
    super(
      `${code}: ${reason}${event ? describe(event) : ''}`,
      options.cause === undefined ? undefined : { cause: options.cause },
    )
    this.code = code
    this.reason = reason
    this.row = ERROR_CATALOGUE[code].row
    this.remedy = options.remedy ?? ERROR_CATALOGUE[code].remedy
    this.field = options.field
    this.auditId = event?.auditId
    this.credential = event?.credential
    this.operation = event?.operation
    this.outcome = event?.outcome
  }

  /** For loggers that write JSON: the id as a string, since JSON has no 64-bit integers; without the cause. */
  toJSON(): Record<string, string | undefined> {
    const { name, code, message, reason, row, remedy, field, credential, operation, outcome } = this
    return {
      name,
      code,
      message,
      reason,
      row,
      remedy,
      field,
      auditId: this.auditId?.toString(),
      credential,
      operation,
      outcome,
    }
  }
}

function describe({ auditId, credential, operation, outcome }: AuditErrorSubject): string {
  const parts: string[] = []
  if (auditId !== undefined) parts.push(`audit id ${auditId}`)
  if (operation !== undefined) parts.push(`operation ${operation}`)
  if (outcome !== undefined) parts.push(`outcome ${outcome}`)
  if (credential !== undefined) parts.push(`credential ${JSON.stringify(credential)}`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}
