import { JSON } from '../host/globals.js'
import { AuditError, type AuditErrorCode, ERROR_CATALOGUE } from '../errors.js'

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  406: 'Not Acceptable',
  413: 'Content Too Large',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
}

/** A problem document (RFC 9457). */
export interface ProblemDocument {
  readonly type: 'about:blank'
  readonly title: string
  readonly status: number
  readonly detail: string
  /** Of the catalogue of errors, where the problem is one of it. */
  readonly code?: AuditErrorCode
  /** The parameter at fault. */
  readonly parameter?: string
  /** What to do. */
  readonly hint?: string
}

interface ProblemOptions extends Pick<ProblemDocument, 'code' | 'parameter' | 'hint'> {
  readonly headers?: Readonly<Record<string, string>>
}

/** An answer that is a problem. Its text goes to the client: it is this file's callers' own, never the database's. */
export class Problem extends Error {
  override readonly name = 'Problem'
  readonly document: ProblemDocument
  readonly headers: Readonly<Record<string, string>>

  constructor(status: number, detail: string, { headers = {}, ...members }: ProblemOptions = {}) {
    super(detail)
    this.headers = headers
    this.document = { type: 'about:blank', title: TITLES[status] ?? 'Error', status, detail, ...members }
  }

  toResponse(): Response {
    return new Response(problemJson(this.document), {
      status: this.document.status,
      headers: { ...this.headers, 'content-type': 'application/problem+json' },
    })
  }
}

export function problemJson(document: ProblemDocument): string {
  return `${JSON.stringify(document)}\n`
}

const STATUS: Readonly<Partial<Record<AuditErrorCode, number>>> = {
  AUDIT_INVALID_QUERY: 400,
  AUDIT_READ_TIMEOUT: 504,
}

/**
 * What the client is told of an error. Of its own mistakes everything; of ours what the catalogue says: the message may
 * have text of the database in it.
 */
export function problemOf(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (!(error instanceof AuditError)) return new Problem(500, 'The server failed. Its log says why.')
  const { code, field, reason } = error
  const status = STATUS[code] ?? 503
  if (status === 400) {
    return new Problem(status, reason, { code, ...(field !== undefined && { parameter: field }) })
  }
  const { meaning, remedy } = ERROR_CATALOGUE[code]
  return new Problem(status, meaning, {
    code,
    hint: remedy,
    headers: status === 503 ? { 'retry-after': '5' } : {},
  })
}
