// Preloaded into the conformance suite, which has no option for a token: adds Authorization to requests to one origin.
// It listens where Node tells of requests before they are sent, so that no client of the suite is wrapped or replaced.
import { subscribe } from 'node:diagnostics_channel';

const { TEST_BEARER: token, TEST_BEARER_ORIGIN: origin } = process.env;
const host = new URL(origin).host;

subscribe('undici:request:create', ({ request }) => {
  if (new URL(request.origin).host === host) request.addHeader('authorization', `Bearer ${token}`);
});
subscribe('http.client.request.created', ({ request }) => {
  if (`${request.host}:${request.socket?.remotePort ?? request.getHeader('host')?.split(':')[1] ?? ''}` === host
    || request.getHeader('host') === host) request.setHeader('authorization', `Bearer ${token}`);
});
