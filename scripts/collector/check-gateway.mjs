import { join } from 'node:path'
import { Collector, DEPLOYED, freePorts, until } from './collector.mjs'
import { differences, fromOtlp } from './otlp.mjs'
import { Receiver } from './receiver.mjs'
import { send } from './sender.mjs'

/** deploy/collector/gateway.yaml beside otel-collector.yaml: acknowledged is what the gateway has acknowledged. */
export async function checkGateway(checks) {
  const about = (promise, body) =>
    checks.check(`deploy/collector/gateway.yaml: ${promise}`, () => body(checks))
  await about('a sender hears 200 when the gateway says so, and has stored it whole', stored)
  await about('a sender hears 503 when the gateway says so until the collector gives up', refused)
  await about('a sender hears 200 when the gateway says 503 at first', refusedAtFirst)
  await about('kill -9 of the collector: what it acknowledged is with the gateway', killed)
}

async function stored(checks) {
  const { url, gateway } = await start(checks)
  const sent = await Promise.all(Array.from({ length: 100 }, () => send(url)))
  const requests =
    gateway.requests < sent.length ? [] : [`${sent.length} requests became ${gateway.requests}`]
  return [...statuses(sent, 200), ...lost(sent, gateway.spans), ...requests]
}

async function refused(checks) {
  const { url, gateway } = await start(checks)
  gateway.status = 503
  return statuses([await send(url)], 503)
}

async function refusedAtFirst(checks) {
  const { url, gateway } = await start(checks)
  gateway.status = 503
  const sending = send(url)
  await until(() => gateway.requests > 0, 'the gateway has refused it once')
  gateway.status = 200
  const sent = [await sending]
  return [...statuses(sent, 200), ...lost(sent, gateway.spans)]
}

async function killed(checks) {
  const { url, gateway, collector } = await start(checks)
  const acknowledged = []
  const sender = async () => {
    for (;;) {
      const answer = await send(url).catch(() => undefined)
      if (answer?.status !== 200) return
      acknowledged.push(answer)
    }
  }
  const senders = Array.from({ length: 8 }, sender)
  await until(() => acknowledged.length > 200, 'some are acknowledged')
  await collector.stop('SIGKILL')
  await Promise.all(senders)
  return lost(acknowledged, gateway.spans)
}

/** A collector with both files, and a stand-in for the gateway that answers as it is told. */
async function start(checks) {
  const [jaeger, gateway] = [await Receiver.start(), await Receiver.start()]
  for (const one of [jaeger, gateway]) checks.opened(one, () => one.close())
  const [http, grpc] = await freePorts(2)
  const collector = await Collector.start(checks, {
    jaeger: jaeger.url,
    auditFile: join(await checks.directory(), 'audit.jsonl'),
    // The stand-in reads JSON; all else is the file as it is.
    overlays: [join(DEPLOYED, 'gateway.yaml'), 'yaml:exporters::otlp_http/gateway::encoding: json'],
    env: {
      COLLECTOR_GATEWAY_URL: gateway.url,
      COLLECTOR_GATEWAY_OTLP_HTTP_PORT: `${http}`,
      COLLECTOR_GATEWAY_OTLP_GRPC_PORT: `${grpc}`,
    },
  })
  return { collector, gateway, url: `http://127.0.0.1:${http}` }
}

function statuses(sent, expected) {
  return sent
    .filter(({ status }) => status !== expected)
    .map(({ status }) => `${status} in place of ${expected}`)
}

/** A request that was on its way when something ended may come twice: the gateway knows it by its id. */
function lost(sent, held) {
  const ids = new Set(sent.map(({ span }) => span.spanId))
  const once = new Map(held.filter(({ spanId }) => ids.has(spanId)).map((span) => [span.spanId, span]))
  return differences(
    sent.map(({ span }) => fromOtlp(span)),
    [...once.values()],
  )
}
