import { describe, expect, test } from 'vitest'
import { NoAnswer } from '../../src/postgres/connection.js'
import { remedyOf } from '../../src/postgres/remedy.js'

// What is advised fits what was in the way.

const failed = (code: string): Error => Object.assign(new Error(code), { code })

describe('the advice where nobody is let in', () => {
  test.each([
    'SELF_SIGNED_CERT_IN_CHAIN',
    'DEPTH_ZERO_SELF_SIGNED_CERT',
    'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    'UNABLE_TO_GET_ISSUER_CERT',
    'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  ])('a certificate of a CA of one’s own names where it goes: %s', (code) => {
    expect(remedyOf(failed(code))).toMatch(/sslmode=verify-full&sslrootcert=/)
    expect(remedyOf(failed(code))).not.toMatch(/password/)
  })

  test.each([
    ['ERR_TLS_CERT_ALTNAME_INVALID', /host name that the certificate/],
    ['CERT_HAS_EXPIRED', /renew the certificate/],
    ['CERT_NOT_YET_VALID', /clock of this machine/],
    ['ECONNREFUSED', /start the server/],
    ['ENOTFOUND', /check the host/],
    ['ENOENT', /paths of sslrootcert/],
  ])('%s', (code, advice) => {
    expect(remedyOf(failed(code))).toMatch(advice)
    expect(remedyOf(failed(code))).not.toMatch(/password/)
  })

  test('no TLS, no answer, and what nobody knows', () => {
    expect(remedyOf(new Error('The server does not support SSL connections'))).toMatch(/switch TLS on/)
    expect(remedyOf(new NoAnswer('connecting: no answer within 5000 ms'))).toMatch(/firewall/)
    expect(remedyOf(failed('ESOMETHING'))).toMatch(/host, port, user, password and database/)
    expect(remedyOf(undefined)).toMatch(/host, port, user, password and database/)
  })
})
