import { randomBytes } from 'node:crypto'
import { RECORD_ID } from './otlp.mjs'

/** Sends one span by OTLP/HTTP, as an audit span or an ordinary one. Returns the HTTP status, and the span in OTLP/JSON. */
export async function send(url, { audit = true, text = 'x' } = {}) {
  const id = BigInt(`0x${randomBytes(7).toString('hex')}`).toString()
  const now = `${BigInt(Date.now()) * 1_000_000n}`
  const event = {
    name: 'secret.access',
    timeUnixNano: now,
    attributes: [attribute('secret_audit.audit_id', id), attribute('secret_audit.notes', text)],
  }
  const span = {
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: audit ? 'secret_audit get_credential' : 'GET /',
    kind: 1,
    startTimeUnixNano: now,
    endTimeUnixNano: now,
    attributes: audit ? [attribute(RECORD_ID, id)] : [],
    events: audit ? [event] : [],
  }
  const body = JSON.stringify({
    resourceSpans: [{ resource: {}, scopeSpans: [{ scope: {}, spans: [span] }] }],
  })
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(`${url}/v1/traces`, { method: 'POST', headers, body })
  await response.arrayBuffer()
  return { status: response.status, span }
}

function attribute(key, stringValue) {
  return { key, value: { stringValue } }
}
