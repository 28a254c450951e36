import { randomBytes } from 'node:crypto'
import { readTrail, type TrailRow } from './trail.js'

/**
 * A service that has neither this library nor an SDK: it posts one span to a gateway, as curl would, and goes on when it
 * hears 200.
 *
 * @param ownerUrl of the database, to read the row back
 * @returns the row @throws Error when the gateway answers anything but 200
 */
export async function accessElsewhere(gatewayUrl: string, ownerUrl: string): Promise<readonly TrailRow[]> {
  const instance = `billing-${randomBytes(4).toString('hex')}`
  const now = `${BigInt(Date.now()) * 1_000_000n}`
  const event = {
    name: 'secret.access',
    timeUnixNano: now,
    attributes: attributes({
      'secret_audit.credential': 'payments-db',
      'secret_audit.operation': 'get_credential',
      'secret_audit.outcome': 'ok',
      'secret_audit.actor_id': 'billing (curl)',
    }),
  }
  const span = {
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: 'secret_audit get_credential',
    kind: 1,
    startTimeUnixNano: now,
    endTimeUnixNano: now,
    events: [event],
  }
  const resource = { attributes: attributes({ 'service.name': 'billing', 'service.instance.id': instance }) }
  const answer = await fetch(`${gatewayUrl}/v1/traces`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] }),
  })
  if (answer.status !== 200) throw new Error(`the gateway answered ${answer.status}: ${await answer.text()}`)
  return readTrail(ownerUrl, [instance])
}

function attributes(texts: Readonly<Record<string, string>>) {
  return Object.entries(texts).map(([key, stringValue]) => ({ key, value: { stringValue } }))
}
