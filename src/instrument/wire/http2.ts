import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { ClientHttp2Stream } from 'node:http2'
import { diag } from '../../host/diagnostics.js'
import { Operation, Outcome } from '../../event/vocabulary.js'
import { gcpOutcomeOf } from '../clients/gcp.js'
import { OpenAccess, type Watch } from '../open-access.js'
import { notCovered } from '../required.js'

/** Node tells of streams from 22.23 on; before, such a client without a hook is not seen. */
const CREATED = 'http2.client.stream.created'

const GRPC =
  /^\/google\.cloud\.(?:secretmanager|kms)\.v1(?:beta\d)?\.(SecretManagerService|KeyManagementService)\/(\w+)$/
const APIS: ReadonlyMap<string, Operation> = new Map([
  ['AccessSecretVersion', Operation.GetCredential],
  ['Decrypt', Operation.UseKey],
  ['RawDecrypt', Operation.UseKey],
  ['AsymmetricDecrypt', Operation.UseKey],
  ['AsymmetricSign', Operation.UseKey],
  ['MacSign', Operation.UseKey],
])

type Headers = Readonly<Record<string, unknown>>

/**
 * Layer 3: gRPC of clients that no hook knows. Its answers cannot be held back: they are recorded async, as `observed`; where
 * `instrument` is `required`, the stream is destroyed before it is sent.
 *
 * @returns ends it
 */
export function watchHttp2(watch: Watch): () => void {
  const onCreated = (message: unknown): void => {
    try {
      const { stream, headers } = message as { readonly stream: ClientHttp2Stream; readonly headers: Headers }
      observe(watch, stream, headers)
    } catch (error) {
      diag.error('otel-audit: a stream could not be looked at; it is not audited', error)
    }
  }
  subscribe(CREATED, onCreated)
  return () => unsubscribe(CREATED, onCreated)
}

function observe(watch: Watch, stream: ClientHttp2Stream, headers: Headers): void {
  const [, , api = ''] = GRPC.exec(String(headers[':path'])) ?? []
  const operation = APIS.get(api)
  if (operation === undefined || watch.settings.disable.has('wire')) return
  const credential = resourceOf(headers['x-goog-request-params']) ?? 'unknown'
  const copy = watch.coverage.copy('grpc:gcp', undefined)
  const open = OpenAccess.begin(watch, copy, 'observed', { provider: 'gcp', api, operation, credential })
  if (open === undefined) return
  copy.observed(api)
  let code: number | undefined
  const note = (head: Headers): void => {
    if (head['grpc-status'] !== undefined) code = Number(head['grpc-status'])
  }
  stream.on('response', note)
  stream.on('trailers', note)
  stream.once('close', () => {
    const isRefused = stream.destroyed && code === undefined
    const outcome = code === 0 ? Outcome.Ok : isRefused ? Outcome.Aborted : gcpOutcomeOf({ code }, api)
    open.release([{ outcome }], { mode: 'async' }).catch((error: unknown) => {
      diag.error('otel-audit: an access that was observed could not be recorded', error)
    })
  })
  if (watch.settings.instrument === 'required') {
    stream.destroy(notCovered([{ name: 'grpc:gcp', version: undefined, state: 'observed', reason: api }]))
  }
}

/** Google's clients say in a header which resource a call is about. */
function resourceOf(params: unknown): string | undefined {
  if (typeof params !== 'string') return undefined
  return new URLSearchParams(params).get('name') ?? undefined
}
