// The handlers of Node.js up to 22: the answer is given to a callback.
exports.later = (event, _context, callback) => {
  const ms = Math.min(event.ms ?? 10, 1000);
  setTimeout(() => callback(null, { waitedMs: ms }), ms);
};
