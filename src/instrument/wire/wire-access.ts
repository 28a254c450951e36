import { clearInterval, setInterval } from '../../host/globals.js'
import { diag } from '../../host/diagnostics.js'
import { Outcome } from '../../event/vocabulary.js'
import { type Access, type AccessRow, OpenAccess, type Watch } from '../open-access.js'
import { recognise } from './recognise.js'
import type { WireRequest } from './target.js'
import { refusedOutcome } from './wire-outcome.js'

/** How long a list of Kubernetes that is watched stays open before it is recorded again, in ms. */
const WATCH_AGAIN_MS = 3_600_000

/** Most of the body of a refusal that is looked at, in bytes. */
const REFUSAL_BYTES = 4096

type Header = (name: string) => string | undefined

/** Of the answer: the name by which the provider's own log knows the request. */
const REQUEST_ID = ['x-amzn-requestid', 'x-ms-request-id', 'x-request-id'] as const

/** One attempt at an access, seen at the wire: from the request to the end of its answer. */
export class WireAccess {
  readonly #open: OpenAccess
  readonly #access: Access
  readonly #hasCredentials: boolean
  #isEnded = false
  #refusal: { readonly status: number; readonly header: Header; readonly body: Buffer[] } | undefined
  #again: NodeJS.Timeout | undefined

  /**
   * @param body what is known of it, asked for only where it says what is accessed
   * @returns undefined when it is no access, or a layer above records it
   */
  static begin(
    watch: Watch,
    request: WireRequest,
    body: () => string | Uint8Array | undefined,
  ): WireAccess | undefined {
    if (watch.settings.disable.has('wire')) return undefined
    const found = recognise(request, watch.settings)
    const access = found?.access(found.needsBody ? body() : undefined)
    if (found === undefined || access === undefined) return undefined
    const copy = watch.coverage.copy(`wire:${found.provider}`, undefined)
    const open = OpenAccess.begin(watch, copy, 'wire', access)
    if (open === undefined) return undefined
    copy.wire(found.shown)
    return new WireAccess(open, access, request.header('authorization') !== undefined)
  }

  private constructor(open: OpenAccess, access: Access, hasCredentials: boolean) {
    this.#open = open
    this.#access = access
    this.#hasCredentials = hasCredentials
  }

  /**
   * The head of the answer has come.
   *
   * @returns undefined: hand it on. Else hand it on when this resolves, and withhold it when it rejects
   */
  head(status: number, header: Header): Promise<void> | undefined {
    if (this.#isEnded) return undefined
    if (status >= 400) {
      this.#refused(status, header)
      return undefined
    }
    this.#isEnded = true
    // What is redirected is asked for again; a 1xx is no answer yet.
    if (status >= 300) return undefined
    return this.#open.release(this.#granted(header))
  }

  /** Whether the body of the refusal says more: it is told of it until it returns false. */
  get wantsRefusal(): boolean {
    return this.#refusal !== undefined
  }

  /** Part of the body of a refusal: it names the error, and has no secret. */
  refusalBody(chunk: Uint8Array): void {
    const refusal = this.#refusal
    if (refusal === undefined) return
    const read = refusal.body.reduce((sum, { length }) => sum + length, 0)
    refusal.body.push(Buffer.from(chunk.subarray(0, REFUSAL_BYTES - read)))
    if (read + chunk.length >= REFUSAL_BYTES) this.ended()
  }

  /** No answer will come. */
  failed(isAborted: boolean): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#recordLater({ outcome: isAborted ? Outcome.Aborted : Outcome.ProviderUnreachable })
  }

  /** The answer has ended, in whatever way. */
  ended(): void {
    clearInterval(this.#again)
    const refusal = this.#refusal
    this.#refusal = undefined
    if (refusal === undefined) return
    const { status, header, body } = refusal
    const errorType = errorTypeOf(header, Buffer.concat(body).toString('latin1'))
    this.#recordLater({
      outcome: refusedOutcome(this.#access, status, errorType),
      attributes: { ...answered(header), 'error.type': errorType ?? String(status) },
    })
  }

  /** It was handed on although it should have been held. */
  notHeld(): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#recordLater({ outcome: Outcome.Ok, attributes: { held: false } })
  }

  #granted(header: Header): readonly AccessRow[] {
    const { batch = [], attributes } = this.#access
    const known = answered(header)
    if (attributes?.['watch'] === true) {
      this.#again = setInterval(
        () => this.#recordLater({ outcome: Outcome.Ok, attributes: known }),
        WATCH_AGAIN_MS,
      )
      this.#again.unref()
    }
    if (batch.length === 0) return [{ outcome: Outcome.Ok, attributes: known }]
    // Which of them were there, only the body says.
    return batch.map((credential) => ({
      credential,
      outcome: Outcome.Requested,
      attributes: { ...known, batch: known.request_id },
    }))
  }

  #refused(status: number, header: Header): void {
    this.#isEnded = true
    // Azure asks for a token: the request that has one is the access.
    if (status === 401 && !this.#hasCredentials && header('www-authenticate') !== undefined) return
    this.#refusal = { status, header, body: [] }
    const isNamedInBody = this.#access.provider === 'aws' && header('x-amzn-errortype') === undefined
    if (!isNamedInBody) this.ended()
  }

  /** Nothing is withheld that it could be about. */
  #recordLater(row: AccessRow): void {
    this.#open.release(this.#open.rowsFor(row), { mode: 'async' }).catch((error: unknown) => {
      diag.error('otel-audit: an access at the wire could not be recorded', error)
    })
  }
}

function answered(header: Header) {
  return { request_id: REQUEST_ID.map(header).find((id) => id !== undefined) }
}

/** As AWS names it: in a header, or in the body as `__type`, which may be cut off behind it. */
function errorTypeOf(header: Header, body: string): string | undefined {
  const named =
    header('x-amzn-errortype')?.split(':')[0] ??
    /"__type"\s*:\s*"([^"\\]{1,256})"/.exec(body)?.[1] ??
    typeInCbor(body)
  const name = named?.split('#').pop()
  return name !== undefined && /^[A-Za-z][\w.]{0,63}$/.test(name) ? name : undefined
}

/** The text behind the key `__type`, which a CBOR body has as it is. */
function typeInCbor(body: string): string | undefined {
  const at = body.indexOf('__type')
  return at < 0 ? undefined : /[A-Za-z][\w.]*(?:#\w+)?/.exec(body.slice(at + '__type'.length + 1))?.[0]
}
