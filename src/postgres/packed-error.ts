import { AuditError, type AuditErrorCode, ERROR_CATALOGUE } from '../errors.js'
import { errorText } from '../host/error-text.js'

/** An error by what is known of it: a copy would lose code and class. No stack, and nothing of a row. */
export interface PackedError {
  readonly message: string
  readonly code: string | undefined
  /** Of an AuditError. */
  readonly audit:
    | { readonly reason: string; readonly remedy: string; readonly field: string | undefined }
    | undefined
  readonly cause: PackedError | undefined
}

export function packError(error: unknown): PackedError {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown }
  return {
    message: errorText(error),
    code: typeof code === 'string' ? code : undefined,
    audit:
      error instanceof AuditError
        ? { reason: error.reason, remedy: error.remedy, field: error.field }
        : undefined,
    cause: cause === undefined ? undefined : packError(cause),
  }
}

export function unpackError({ message, code, audit, cause }: PackedError): Error {
  const of = cause === undefined ? {} : { cause: unpackError(cause) }
  if (audit === undefined) return Object.assign(new Error(message, of), code === undefined ? {} : { code })
  const { reason, remedy, field } = audit
  return new AuditError(codeOf(code), reason, { ...of, remedy, ...(field === undefined ? {} : { field }) })
}

function codeOf(code: string | undefined): AuditErrorCode {
  return code !== undefined && Object.hasOwn(ERROR_CATALOGUE, code)
    ? (code as AuditErrorCode)
    : 'AUDIT_UNAVAILABLE'
}
