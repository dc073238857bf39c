const { check } = require("entitled");

const says = { yes: () => "entitled", no: () => "not entitled", notKnown: () => "not known" };
check("acme-cad", says).then(console.log); // yes is given the verdict: verdict.has("export")
