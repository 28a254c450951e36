import type { Trust } from '../verify/trust.js'
import type { EvidenceSource } from '../query/evidence.js'
import type { FilterField, FilterName } from '../query/filter-fields.js'
import type { Principal } from '../event/self-rows.js'
import type { Trail } from '../query/trail.js'
import type { SecretAuditService } from '../service/service.js'
import type { FailureLog } from './failure-log.js'
import type { ServerMetrics } from './metrics.js'
import type { Refusals } from './refusals.js'
import type { SignIn } from './sign-in/sign-in.js'

/** What routes work with. */
export interface RouteContext {
  readonly trail: Trail
  /** Where reads are recorded. */
  readonly audit: Pick<SecretAuditService, 'recordStrict' | 'recordAsync'>
  readonly evidence: EvidenceSource | undefined
  /** What the chains are held against. */
  readonly trust: Trust | undefined
  readonly metrics: ServerMetrics
  readonly failures: FailureLog
  readonly refusals: Refusals
  /** How people sign in; undefined when they do not. */
  readonly signIn: SignIn | undefined
  /** Whether somebody is admitted by a token. */
  readonly takesTokens: boolean
  /** The metrics of the process in the text format of Prometheus. */
  readonly exposition: (() => Promise<string>) | undefined
}

/** A request, checked as far as all routes have it in common. */
export interface Call {
  readonly request: Request
  /** Each parameter of the query string once. */
  readonly query: Readonly<Record<string, string>>
  /** Parts of the path. */
  readonly path: Readonly<Record<string, string>>
  /** Of the connection. */
  readonly address?: string | undefined
}

/** A request whose sender may read. */
export interface ReaderCall extends Call {
  readonly reader: Principal
}

interface RouteDoc {
  /** With parts of the path in braces. */
  readonly path: string
  readonly operationId: string
  readonly summary: string
  readonly description?: string
  /** Parameters of the query string: of the filter, and the route's own. */
  readonly filter?: readonly FilterName[]
  readonly parameters?: Readonly<Record<string, FilterField>>
  /** What it answers with, by media type: the name of a schema. */
  readonly answers: Readonly<Record<string, string>>
  /** Statuses with which it sends a browser elsewhere, in place of 200. */
  readonly redirects?: readonly number[]
  /** Statuses other than 200 that are its own. */
  readonly problems?: readonly number[]
}

/** One route. The server is made from these, and so is the OpenAPI document. */
export type Route = RouteDoc &
  (
    | { readonly access: 'readers'; handle(context: RouteContext, call: ReaderCall): Promise<Response> }
    | { readonly access: 'anyone'; handle(context: RouteContext, call: Call): Promise<Response> | Response }
  )

export function json(text: string): Response {
  return new Response(text, { headers: { 'content-type': 'application/json' } })
}
