import { JSON, performance } from '../host/globals.js'
import { Hono, type Context } from 'hono'
import type { Trust } from '../verify/trust.js'
import { givenOptions } from '../host/own.js'
import { AuditError } from '../errors.js'
import { nearest } from '../event/nearest.js'
import type { EvidenceSource } from '../query/evidence.js'
import type { Trail } from '../query/trail.js'
import type { SecretAuditService } from '../service/service.js'
import { type Authenticator, nobody } from './authentication.js'
import { FailureLog } from './failure-log.js'
import { corsHeaders, SECURITY_HEADERS } from './headers.js'
import { ServerMetrics } from './metrics.js'
import { Problem, problemOf } from './problem.js'
import { RATE_LIMIT, RateLimiter } from './rate-limit.js'
import { Refusals } from './refusals.js'
import type { Call, Route, RouteContext } from './route.js'
import { ROUTES } from './service-routes.js'
import { notSignedIn, type SignIn, signedInOr } from './sign-in/sign-in.js'

export interface TrailAppOptions {
  readonly trail: Trail
  /** Where reads are recorded: every one, before it is answered. */
  readonly audit: Pick<SecretAuditService, 'recordStrict' | 'recordAsync'>
  /** Who may read. Default: nobody. */
  readonly authenticator?: Authenticator | undefined
  /** How people sign in, beside whom the authenticator admits. Default: they do not. */
  readonly signIn?: SignIn | undefined
  /** Checks single rows. Without it a row says `evidence: null`. */
  readonly evidence?: EvidenceSource | undefined
  /** What is known of the chains from elsewhere. Default: nothing, and of none is it known whether it is enrolled. */
  readonly trust?: Trust | undefined
  /** The one other origin whose pages may read answers. Default: none. */
  readonly corsOrigin?: string | undefined
  /** What `/metrics` answers: the metrics of the process in the text format of Prometheus. Default: 404. */
  readonly exposition?: (() => Promise<string>) | undefined
}

/** Of a parameter's name, in a problem. */
const LONGEST_NAME = 80

/** What the adapter for Node says of a request; another adapter says nothing. */
interface NodeBindings {
  readonly incoming?: {
    readonly httpVersion?: string
    readonly socket?: { readonly remoteAddress?: string }
  }
}

/**
 * The HTTP interface of the trail, as an application of its own: `app.fetch` takes a `Request`, and `route('/', …)` of
 * another Hono application mounts it.
 */
export function createTrailApp(options: TrailAppOptions): Hono {
  const { trail, audit, corsOrigin, signIn } = givenOptions(options)
  const authenticator = authenticatorFor(options)
  const metrics = new ServerMetrics()
  const failures = new FailureLog()
  const refusals = new Refusals(audit, metrics)
  const failed = (error: unknown): Response => answerTo(error, failures)
  const context: RouteContext = {
    trail,
    audit,
    metrics,
    failures,
    refusals,
    signIn,
    takesTokens: options.authenticator !== undefined,
    evidence: options.evidence,
    trust: options.trust,
    exposition: options.exposition,
  }
  const limiter = new RateLimiter(RATE_LIMIT)
  const app = new Hono()

  const answer = async (
    route: Route | undefined,
    c: Context,
    work: () => Promise<Response>,
  ): Promise<Response> => {
    const began = performance.now()
    const response = await work().catch(failed)
    for (const [name, value] of Object.entries({
      ...SECURITY_HEADERS,
      ...corsHeaders(c.req.raw, corsOrigin),
    })) {
      if (!response.headers.has(name)) response.headers.set(name, value)
    }
    metrics.request({
      method: c.req.method,
      scheme: new URL(c.req.url).protocol.slice(0, -1),
      route: route?.path,
      status: response.status,
      protocolVersion: nodeRequestOf(c)?.httpVersion,
      duration: (performance.now() - began) / 1000,
    })
    return response
  }

  const admit = (c: Context): void => {
    const wait = limiter.take(clientOf(c) ?? 'unknown', performance.now())
    if (wait > 0) {
      throw new Problem(429, 'Too many requests from this address.', {
        headers: { 'retry-after': String(wait) },
      })
    }
    const { headers } = c.req.raw
    if (Number(headers.get('content-length') ?? 0) > 0 || headers.has('transfer-encoding')) {
      throw new Problem(413, 'Requests must not have a body.')
    }
  }

  for (const route of ROUTES) {
    app.get(route.path.replaceAll(/\{(\w+)\}/g, ':$1'), (c) =>
      answer(route, c, async () => {
        admit(c)
        if (route.access === 'anyone') return route.handle(context, callOf(c, {}))
        const who = await authenticator.authenticate(c.req.raw).catch((error: unknown): never => {
          throw isRefusal(error) ? refusals.note(error, clientOf(c), performance.now()) : error
        })
        const reader = { ...who, sourceAddress: clientOf(c) }
        return route.handle(context, { ...callOf(c, queryOf(c.req.raw, route)), reader })
      }),
    )
  }
  app.options('*', (c) => answer(undefined, c, async () => new Response(null, { status: 204 })))
  app.all('*', (c) =>
    answer(undefined, c, async () => {
      const isRead = c.req.method === 'GET' || c.req.method === 'HEAD'
      if (!isRead) throw new Problem(405, 'The trail is read-only.', { headers: { allow: 'GET, HEAD' } })
      admit(c)
      throw new Problem(404, 'There is no such route.')
    }),
  )
  app.onError((error) => failed(error))
  return app
}

function authenticatorFor({ authenticator, signIn }: TrailAppOptions): Authenticator {
  if (signIn === undefined) return authenticator ?? nobody
  return signedInOr(signIn, authenticator ?? notSignedIn)
}

function isRefusal(error: unknown): error is Problem {
  return error instanceof Problem && (error.document.status === 401 || error.document.status === 403)
}

/** What a failure is answered with. One that is ours, and has not been logged, is. */
function answerTo(error: unknown, failures: FailureLog): Response {
  const problem = problemOf(error)
  if (problem.document.status >= 500 && !(error instanceof Problem))
    failures.failed('a request failed', error)
  return problem.toResponse()
}

function callOf(c: Context, query: Readonly<Record<string, string>>): Call {
  return {
    request: c.req.raw,
    query,
    path: c.req.param() as Record<string, string>,
    address: clientOf(c),
  }
}

/**
 * The parameters of a request, each once.
 *
 * @throws AuditError `AUDIT_INVALID_QUERY` for one that the route does not have, and for one that is there twice: which
 *   was meant is not known
 */
function queryOf(
  request: Request,
  { filter = [], parameters = {} }: Route,
): Readonly<Record<string, string>> {
  const known: ReadonlySet<string> = new Set([...filter, ...Object.keys(parameters)])
  const query = new Map<string, string>()
  for (const [name, value] of new URL(request.url).searchParams) {
    const isTwice = query.has(name)
    if (known.has(name) && !isTwice) {
      query.set(name, value)
      continue
    }
    const field = name.slice(0, LONGEST_NAME)
    const hint = nearest(field, known)
    const problem = isTwice
      ? 'is given more than once'
      : `is not a parameter of this route${hint ? `; did you mean ${hint}?` : ''}`
    throw new AuditError('AUDIT_INVALID_QUERY', `${JSON.stringify(field)} ${problem}`, { field })
  }
  return Object.fromEntries(query)
}

function clientOf(c: Context): string | undefined {
  return nodeRequestOf(c)?.socket?.remoteAddress
}

function nodeRequestOf(c: Context): NodeBindings['incoming'] {
  return (c.env as NodeBindings | undefined)?.incoming
}
