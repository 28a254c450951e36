import { JSON } from '../host/globals.js'
import { openapiDocument } from './openapi.js'
import { READ_ROUTES } from './read-routes.js'
import { Problem } from './problem.js'
import { json, type Route } from './route.js'
import { SIGN_IN_ROUTES } from './sign-in/sign-in-routes.js'

const healthz: Route = {
  path: '/healthz',
  operationId: 'getHealth',
  summary: 'Whether the process answers',
  access: 'anyone',
  answers: { 'application/json': 'Status' },
  handle: () => json('{"status":"ok"}\n'),
}

const readyz: Route = {
  path: '/readyz',
  operationId: 'getReadiness',
  summary: 'Whether the trail can be read',
  access: 'anyone',
  answers: { 'application/json': 'Status' },
  problems: [503],
  async handle({ trail, failures }) {
    await trail.check()
    failures.worked('a request failed')
    return json('{"status":"ok"}\n')
  },
}

const metrics: Route = {
  path: '/metrics',
  operationId: 'getMetrics',
  summary: 'Metrics of the process, in the text format of Prometheus',
  access: 'anyone',
  answers: { 'text/plain': 'Text' },
  problems: [404],
  async handle({ exposition }) {
    if (exposition === undefined) {
      throw new Problem(404, 'This server exposes no metrics.', {
        hint: 'otel-audit serve does, with @opentelemetry/sdk-metrics and @opentelemetry/exporter-prometheus installed.',
      })
    }
    return new Response(await exposition(), {
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    })
  },
}

const openapi: Route = {
  path: '/openapi.json',
  operationId: 'getOpenapi',
  summary: 'This document',
  access: 'anyone',
  answers: { 'application/json': 'Openapi' },
  handle: () => json(`${JSON.stringify(openapiDocument(ROUTES))}\n`),
}

/** Every route there is. */
export const ROUTES: readonly Route[] = [...READ_ROUTES, ...SIGN_IN_ROUTES, healthz, readyz, metrics, openapi]
