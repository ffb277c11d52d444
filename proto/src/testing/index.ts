// What tests of the other rooms use of proto; not published.

export { arrowReaders, NO_READERS, type ReaderVerdict } from './arrow-readers.js';
export { freePort, noNatsServer, TestNatsServer } from './nats-server.js';
