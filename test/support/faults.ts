import type { WriteResult } from '../../src/contract/sink.js'

/** What a sink answers when a write went wrong. */
export const REFUSED: WriteResult = {
  status: 'refused',
  fault: { code: 'AUDIT_REJECTED', message: 'a bad row' },
}
export const FAILED: WriteResult = {
  status: 'failed',
  lasting: false,
  fault: { code: 'AUDIT_UNAVAILABLE', message: 'starting up', cause: new Error('SQLSTATE 57P03') },
}
export const LASTING: WriteResult = {
  status: 'failed',
  lasting: true,
  fault: { code: 'AUDIT_UNAVAILABLE', message: 'permission denied', cause: new Error('SQLSTATE 42501') },
}
export const UNKNOWN: WriteResult = {
  status: 'unknown',
  fault: { code: 'AUDIT_TIMEOUT', message: 'no answer', cause: new Error('ECONNRESET') },
}
export const UNCONFIRMED: WriteResult = {
  status: 'unknown',
  fault: { code: 'AUDIT_UNCONFIRMED', message: 'may not have been replicated' },
}
