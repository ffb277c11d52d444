// What tests of the other rooms use of proto; not published.
export { freePort, noNatsServer, TestNatsServer } from './nats-server.js';
