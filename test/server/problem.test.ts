import { describe, expect, test } from 'vitest'
import { AuditError } from '../../src/errors.js'
import { problemOf } from '../../src/server/problem.js'

const event = { auditId: 7n, credential: 'orders-db', operation: 'get_credential', outcome: 'ok' }

describe('what a client is told of an error', () => {
  test("is the reason, where the mistake is the client's: neither the code again nor the event", () => {
    const error = new AuditError('AUDIT_INVALID_QUERY', 'limit must be an integer', { field: 'limit', event })
    expect(problemOf(error).document).toEqual({
      type: 'about:blank',
      title: 'Bad Request',
      status: 400,
      detail: 'limit must be an integer',
      code: 'AUDIT_INVALID_QUERY',
      parameter: 'limit',
    })
  })

  test("is what the catalogue says, where it is the server's", () => {
    const error = new AuditError('AUDIT_READ_FAILED', 'canary-5c1e', { event })
    expect(problemOf(error).document).toMatchObject({ status: 503, code: 'AUDIT_READ_FAILED' })
    expect(JSON.stringify(problemOf(error).document)).not.toMatch(/canary-5c1e|orders-db/)
  })
})
