import { channel } from 'node:diagnostics_channel'
import { EventEmitter } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { InstrumentSettings } from '../../../src/instrument/settings.js'
import { watchHttp2 } from '../../../src/instrument/wire/http2.js'
import { said, type Watched, watched } from '../watched.js'

/** What is used of a stream: Node tells of real ones from 22.23 on, and any Node of what is told here. */
class Stream extends EventEmitter {
  destroyed = false
  error: unknown

  destroy(error?: unknown): void {
    this.destroyed = true
    this.error = error
    this.emit('close')
  }
}

const SECRETS = '/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion'
const PARAMS = {
  'x-goog-request-params': `name=${encodeURIComponent('projects/p/secrets/db/versions/1')}&x=hunter2`,
}

function scene(settings: Partial<InstrumentSettings> = {}): Watched {
  const at = watched({}, settings)
  onTestFinished(watchHttp2(at.watch))
  return at
}

function told(path: string, headers: object = PARAMS): Stream {
  const stream = new Stream()
  channel('http2.client.stream.created').publish({ stream, headers: { ':path': path, ...headers } })
  return stream
}

describe('a stream of a client without a hook', () => {
  it.each<[string, (stream: Stream) => void, string]>([
    ['by its trailers', (stream) => stream.emit('trailers', { 'grpc-status': '0' }), 'ok'],
    [
      'by its head alone',
      (stream) => stream.emit('response', { 'grpc-status': '5' }),
      'credential_not_found',
    ],
    ['by neither, after an answer', (stream) => stream.emit('response', {}), 'other'],
    ['by its client', (stream) => (stream.destroyed = true), 'aborted'],
  ])('that is ended %s', async (_, end, outcome) => {
    const at = scene()
    const stream = told(SECRETS)
    end(stream)
    stream.emit('close')
    expect((await at.rows()).map(said)).toMatchObject([
      {
        credential: 'projects/p/secrets/db/versions/1',
        outcome,
        seen: 'observed',
        api: 'AccessSecretVersion',
      },
    ])
    expect(JSON.stringify((await at.rows()).map(said))).not.toContain('hunter2')
  })

  it.each([[{}], [{ 'x-goog-request-params': ['a', 'b'] }], [{ 'x-goog-request-params': 'parent=x' }]])(
    'that does not say what it asks for asks for something unknown: %j',
    async (headers) => {
      const at = scene()
      told(SECRETS.replace('v1', 'v1beta2'), headers).emit('close')
      expect((await at.rows()).map(said)).toMatchObject([{ credential: 'unknown' }])
    },
  )

  it('of KMS uses a key', async () => {
    const at = scene()
    told('/google.cloud.kms.v1.KeyManagementService/MacSign').emit('close')
    expect((await at.rows()).map(said)).toMatchObject([{ operation: 'use_key', api: 'MacSign' }])
  })

  it('is destroyed where coverage is required', async () => {
    const at = scene({ instrument: 'required' })
    expect(told(SECRETS).error).toMatchObject({ code: 'AUDIT_NOT_COVERED' })
    expect((await at.rows()).map(said)).toMatchObject([{ outcome: 'aborted' }])
  })

  it.each([
    ['of another service', '/google.pubsub.v1.Publisher/Publish', {}],
    ['of another method', SECRETS.replace('AccessSecretVersion', 'ListSecrets'), {}],
    ['where the wire is off', SECRETS, { disable: new Set(['wire']) }],
  ])('%s has no row', async (_, path, settings) => {
    const at = scene(settings)
    told(path).emit('close')
    expect(await at.rows()).toEqual([])
  })

  it('that cannot be looked at is left alone', async () => {
    const at = scene()
    expect(() => channel('http2.client.stream.created').publish(undefined)).not.toThrow()
    expect(await at.rows()).toEqual([])
  })
})
