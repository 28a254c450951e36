import { createServer } from 'node:http'
import * as api from '@opentelemetry/api'
import { SecretAuditService } from 'otel-audit'
import pg from 'pg'
import { handlerFor, run } from './accesses.cjs'

const server = createServer()
const audit = SecretAuditService.fromEnv()
server.on('request', handlerFor({ audit, api, pg, released: run(server) }))
