import { describe, expect, it } from 'vitest'
import { recordedAccess } from '../../src/reconcile/recorded-access.js'
import type { TrailRow } from '../../src/query/row.js'

const aRow = (attributes: object | null, changes: Partial<TrailRow> = {}): TrailRow =>
  ({
    audit_id: '7',
    occurred_at: '2026-11-29T10:00:03.000001Z',
    credential: 'orders-db',
    operation: 'get_credential',
    outcome: 'ok',
    service_name: 'orders',
    attributes: attributes === null ? null : JSON.stringify(attributes),
    ...changes,
  }) as TrailRow

describe('a row about an access', () => {
  it('is compared by the id of its request, or that of its batch, and by its names', () => {
    const arn = 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:team/orders-db-AbC1d2'
    expect(recordedAccess(aRow({ provider: 'aws', api: 'GetSecretValue', request_id: 'r', arn }))).toEqual({
      log: 'cloudtrail',
      auditId: '7',
      time: Date.UTC(2026, 10, 29, 10, 0, 3) * 1000 + 1,
      credential: 'orders-db',
      names: ['orders-db', 'team/orders-db'],
      namespace: '',
      requestId: 'r',
      isBatch: false,
      needsNoEntry: false,
      operation: 'get_credential',
      outcome: 'ok',
      service: 'orders',
    })
    expect(recordedAccess(aRow({ provider: 'aws', api: 'BatchGetSecretValue', batch: 'b' }))).toMatchObject({
      requestId: 'b',
      isBatch: true,
    })
    expect(recordedAccess(aRow({ provider: 'vault', namespace: '/team/' }))).toMatchObject({
      log: 'vault',
      namespace: 'team',
      requestId: undefined,
    })
  })

  it.each([
    [{ provider: 'vault' }, { outcome: 'provider_unreachable' }, true],
    [{ provider: 'vault' }, { outcome: 'aborted' }, true],
    [{ provider: 'vault' }, { outcome: 'access_denied' }, false],
    [{ provider: 'vault' }, { operation: 'issue_credential' }, false],
    [{ provider: 'vault', api: 'GET' }, {}, false],
    [{ provider: 'aws', api: 'GET' }, {}, true],
  ])('%j %j need not be in the log: %s', (attributes, changes, expected) => {
    expect(recordedAccess(aRow(attributes, changes))?.needsNoEntry).toBe(expected)
  })

  it.each([
    [null, {}],
    [{}, {}],
    [{ provider: 'gcp' }, {}],
    [{ provider: 'aws' }, { operation: 'assume_identity' }],
    [{ provider: 'aws' }, { operation: 'write_credential' }],
    [{ provider: 'aws' }, { operation: 'issue_credential' }],
    [{ provider: 'vault' }, { operation: 'audit_coverage' }],
  ])('%j %j is about nothing that a log would have', (attributes, changes) => {
    expect(recordedAccess(aRow(attributes, changes))).toBeUndefined()
  })
})
