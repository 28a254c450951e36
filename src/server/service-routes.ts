import { openapiDocument } from './openapi.js'
import { READ_ROUTES } from './read-routes.js'
import { json, type Route } from './route.js'

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
  async handle({ trail }) {
    await trail.check()
    return json('{"status":"ok"}\n')
  },
}

const metrics: Route = {
  path: '/metrics',
  operationId: 'getMetrics',
  summary: 'What the server counts, for Prometheus',
  access: 'anyone',
  answers: { 'text/plain': 'Text' },
  handle: ({ metrics, stats }) =>
    new Response(metrics.exposition(stats?.()), {
      headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' },
    }),
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
export const ROUTES: readonly Route[] = [...READ_ROUTES, healthz, readyz, metrics, openapi]
