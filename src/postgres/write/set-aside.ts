import type { SetAside } from '../../contract/sink.js'
import { jsonString } from '../../host/json-text.js'

/** As `secret_audit_set_aside` reads them. */
export function setAsideJson(items: readonly SetAside[]): string {
  return `[${items.map(itemJson).join(',')}]`
}

function itemJson(item: SetAside): string {
  const text = (value: string | null): string => (value === null ? 'null' : jsonString(storable(value)))
  return (
    `{"quarantine_id":${item.quarantineId},"fingerprint":"${item.fingerprint.toString('hex')}"` +
    `,"received_at":${item.receivedAt},"sender":${text(item.sender)},"reason":${text(item.reason)}` +
    `,"format":${text(item.format)},"service_name":${text(item.serviceName)}` +
    `,"service_instance_id":${text(item.serviceInstanceId)},"trace_id":${text(item.traceId)}` +
    `,"span_id":${text(item.spanId)},"ordinal":${item.ordinal},"raw":"${item.raw.toString('base64')}"` +
    `,"raw_sha256":"${item.rawSha256.toString('hex')}"}`
  )
}

/** No text of Postgres has a NUL, or half of a pair. */
function storable(text: string): string {
  return text.replaceAll('\0', '\u{fffd}').toWellFormed()
}
