import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { metrics } from '@opentelemetry/api'
import { beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { SetAside } from '../../src/contract/sink.js'
import { sha256 } from '../../src/event/sha256.js'
import { DurableAuditExporter } from '../../src/exporter/exporter.js'
import { Bodies, decoded, KNOWN_CODINGS } from '../../src/gateway/body.js'
import { asideEvent, malformedAside, worthKeeping } from '../../src/gateway/kept-aside.js'
import { GatewayMetrics } from '../../src/gateway/metrics.js'
import { ProtobufSlicer } from '../../src/gateway/otlp/slices.js'
import { type GatewayOptions, serveGateway } from '../../src/gateway/serve-gateway.js'
import { Senders } from '../../src/gateway/senders.js'
import { ServicePolicy } from '../../src/gateway/service-policy.js'
import { readTls, versionOfTls } from '../../src/gateway/tls-files.js'
import { RecordingAuditSink } from '../../src/sinks/recording.js'
import { listening } from '../service/telemetry.js'
import { auditSpan, protobufOf, tracesOf } from '../support/gateway/requests.js'
import { post } from './running.js'

let said: string[]

beforeEach(() => {
  said = listening()
})

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'otel-audit-gateway-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

/** A gateway that stores in memory. */
async function start(options: Partial<GatewayOptions> = {}) {
  const sink = new RecordingAuditSink()
  const exporter = new DurableAuditExporter({ sink, lingerMs: 0 })
  const gateway = await serveGateway({ exporter, port: 0, ...options })
  onTestFinished(async () => {
    await gateway.close(100)
    await exporter.close(100)
  })
  return { ...gateway, sink }
}

describe('the other paths of a gateway', () => {
  it('have metrics where there are some, and an answer when these fail', async () => {
    const without = await start()
    expect((await fetch(`${without.url}/metrics`)).status).toBe(404)
    const shown = await start({ exposition: () => Promise.resolve('a 1') })
    expect(await (await fetch(`${shown.url}/metrics`)).text()).toBe('a 1\n')
    const failing = await start({ exposition: () => Promise.reject(new Error('the registry is gone')) })
    const answer = await fetch(`${failing.url}/metrics`)
    expect([answer.status, await answer.text()]).toEqual([503, 'unavailable\n'])
    expect(said.some((line) => line.includes('the registry is gone'))).toBe(true)
  })

  it('are read only, and of no other name', async () => {
    const { url } = await start()
    expect((await fetch(`${url}/livez`, { method: 'HEAD' })).status).toBe(200)
    expect((await fetch(`${url}/livez`, { method: 'POST' })).status).toBe(404)
    expect((await fetch(`${url}/v1/profiles`)).status).toBe(404)
    expect((await fetch(`${url}/toString`)).status).toBe(404)
  })

  it('say that it ends while it does', async () => {
    const gateway = await start()
    const open = await fetch(`${gateway.url}/readyz`)
    expect(open.status).toBe(200)
    const closed = gateway.close()
    await closed
    await gateway.close()
    await expect(fetch(`${gateway.url}/readyz`)).rejects.toThrow()
  })
})

describe('a gateway does not start', () => {
  it('on a port that is taken, or an address that is another machine’s', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void other.close())
    await once(other, 'listening')
    const { port } = other.address() as AddressInfo
    await expect(start({ port })).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION', field: 'port' })
    const authenticator = { authenticate: () => Promise.reject(new Error('no')) }
    await expect(start({ host: '192.0.2.1', authenticator })).rejects.toMatchObject({ field: 'host' })
  })

  it.each(['cert', 'key', 'clientCa'] as const)('without the file of its %s', async (name) => {
    const at = (file: string) => join(import.meta.dirname, 'certificates', file)
    const tls = {
      cert: at('gateway.pem'),
      key: at('gateway.key'),
      clientCa: at('ca.pem'),
      [name]: '/nowhere',
    }
    await expect(readTls(tls)).rejects.toMatchObject({ code: 'AUDIT_INVALID_OPTION' })
    expect(await versionOfTls(tls)).toContain('-')
  })

  it('with a key of another certificate', async () => {
    const at = (file: string) => join(import.meta.dirname, 'certificates', file)
    await expect(readTls({ cert: at('gateway.pem'), key: at('collector.key') })).rejects.toThrow('PEM')
  })

  it('with a policy that is not there, or larger than one can be', async () => {
    const file = join(directory(), 'policy.json')
    await expect(ServicePolicy.read(file)).rejects.toThrow('ENOENT')
    writeFileSync(file, '{}')
    const policy = await ServicePolicy.read(file)
    const before = await policy.version()
    truncateSync(file, 2 * 1024 * 1024)
    await expect(ServicePolicy.read(file)).rejects.toThrow('larger than 1 MiB')
    await policy.reload()
    expect(said.some((line) => line.includes('the policy that was read before stays'))).toBe(true)
    expect(await policy.version()).not.toBe(before)
    rmSync(file)
    expect(await policy.version()).toBe('-')
  })
})

describe('the name in a certificate', () => {
  const named = async (subjectaltname: string | undefined, authorized = true) => {
    const senders = new Senders({ hasClientCa: true })
    const socket = {
      authorized,
      authorizationError: 'SELF_SIGNED',
      getPeerCertificate: () => ({ subject: {}, ...(subjectaltname && { subjectaltname }) }),
    }
    senders.connected(socket as never)
    const identified = await senders.identify({ headers: {}, socket } as never)
    return identified.is === 'sender' ? identified.sender.name : identified.is
  }

  it.each([
    ['DNS:a.example, URI:spiffe://x/y', 'spiffe://x/y'],
    ['email:a@b.example, DNS:a.example', 'a.example'],
    ['IP Address:10.0.0.1, email:a@b.example', 'a@b.example'],
    ['DNS:"a, b.example", DNS:c', '"a, b.example"'],
    ['IP Address:10.0.0.1', 'bad'],
    ['URI:', 'bad'],
    [undefined, 'bad'],
    ['URI:\u001b[31m', '\\u001b[31m'],
  ])('%s is %s', async (given, expected) => {
    expect(await named(given)).toBe(expected)
  })

  it('counts only when an authority of ours says it', async () => {
    expect(await named('URI:spiffe://x/y', false)).toBe('bad')
  })

  it('is not known of a connection that was there before', async () => {
    const senders = new Senders({ hasClientCa: true })
    expect(await senders.identify({ headers: {}, socket: {} } as never)).toMatchObject({ is: 'unknown' })
  })
})

describe('a credential that cannot be checked', () => {
  it('for a reason of ours is unknown, and not bad', async () => {
    const authenticator = { authenticate: () => Promise.reject(new Error('a bug, canary-31c')) }
    const { url } = await start({ authenticator, rejectBadCredentials: true })
    const answer = await post(url, tracesOf([auditSpan()]), { headers: { authorization: 'Bearer x' } })
    expect([answer.status, answer.body.toString()]).toEqual([503, expect.not.stringContaining('canary')])
    expect(said.filter((line) => line.includes('canary'))).toEqual([])
  })
})

describe('bodies', () => {
  const bytes = protobufOf(tracesOf([auditSpan()]))
  const read = (bodies: Bodies, chunks: AsyncIterable<Buffer>, flush = () => Promise.resolve()) =>
    bodies.read(chunks, new ProtobufSlicer(1 << 20), 10, (slices) => slices.length * 100, flush)

  it('of others are not held beyond the bound, one alone is', async () => {
    const bodies = new Bodies({ inflated: 1 << 20, held: 50 })
    await read(bodies, Readable.from([bytes]) as AsyncIterable<Buffer>)
    const [slow, letGo] = [new Readable({ read() {} }), bytes.subarray(0, 60)]
    const first = read(bodies, slow as AsyncIterable<Buffer>).catch((error: unknown) => error)
    slow.push(letGo)
    await new Promise(setImmediate)
    await expect(read(bodies, Readable.from([bytes]) as AsyncIterable<Buffer>)).rejects.toMatchObject({
      name: 'Crowded',
    })
    slow.push(bytes.subarray(60))
    slow.push(null)
    expect(await first).toBeUndefined()
  })

  it('are given back when what is done with them fails', async () => {
    const bodies = new Bodies({ inflated: 1 << 20, held: 1 << 20 })
    const failing = read(bodies, Readable.from([bytes]) as AsyncIterable<Buffer>, () =>
      Promise.reject(new Error('no store')),
    )
    await expect(failing).rejects.toThrow('no store')
  })

  it('have more than they may after decompression', async () => {
    const bodies = new Bodies({ inflated: 10, held: 1 << 20 })
    await expect(read(bodies, Readable.from([bytes]) as AsyncIterable<Buffer>)).rejects.toMatchObject({
      name: 'TooLarge',
    })
  })

  it('of a coding of the language are of none', () => {
    const silent = () => new Readable({ read() {} })
    for (const name of ['constructor', 'toString', 'br', 'gzip, gzip'])
      expect(decoded(silent(), name)).toBeUndefined()
    for (const name of [...KNOWN_CODINGS, ' GZip ', 'x-gzip', 'identity', '', undefined])
      expect(decoded(silent(), name)).toBeDefined()
  })

  it('that break off are no body', async () => {
    const broken = new Readable({ read() {} })
    const chunks = decoded(broken, 'gzip')
    const reading = read(new Bodies({ inflated: 1 << 20, held: 1 << 20 }), chunks ?? (broken as never))
    broken.destroy(new Error('reset'))
    await expect(reading).rejects.toThrow('reset')
  })
})

describe('what is worth keeping', () => {
  const item = (service: string, size: number, n: number): SetAside => ({
    ...malformedAside(Buffer.alloc(size, n), 'traces', false, 'x', Date.now()),
    serviceName: service,
    rawSha256: sha256(Buffer.from(`${n}`)),
  })

  it('is ten of a kind whole, a hundred with their beginning, a thousand, and 8 MiB', () => {
    const kept = worthKeeping(Array.from({ length: 130 }, (_, n) => item('a', 6000, n)))
    expect(kept).toHaveLength(100)
    expect(kept.filter(({ raw }) => raw.length === 6000)).toHaveLength(10)
    expect(kept.filter(({ raw }) => raw.length === 4096)).toHaveLength(90)
    const many = Array.from({ length: 1200 }, (_, n) => item(`s-${n}`, 10, n))
    expect(worthKeeping(many)).toHaveLength(1000)
    const large = Array.from({ length: 200 }, (_, n) => item(`s-${n}`, 65_536, n))
    expect(worthKeeping(large)).toHaveLength(128)
  })

  it('has a row about all of it, the same for the same', () => {
    const items = [item('a', 5, 1), item('b', 5, 2)]
    expect(asideEvent(items)).toEqual(asideEvent(items))
    expect(asideEvent(items).auditId).not.toBe(asideEvent(items.toReversed()).auditId)
    expect(() => asideEvent([])).toThrow('nothing is kept aside')
  })
})

describe('the metrics of a gateway', () => {
  it('that throw change nothing, and are told of', () => {
    const provider = metrics.getMeterProvider()
    vi.spyOn(metrics, 'getMeterProvider').mockReturnValue({
      getMeter() {
        throw new Error('no meter')
      },
    })
    onTestFinished(() => void vi.restoreAllMocks())
    expect(provider).toBeDefined()
    const counted = new GatewayMetrics(() => 0)
    counted.count('events', 3)
    counted.count('events', 0)
    counted.quarantined('clock')
    counted.answered(200, 'traces', 0.1)
    expect(said.filter((line) => line.includes('the meter threw'))).toHaveLength(4)
  })
})
