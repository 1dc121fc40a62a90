"use strict";

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  // Tokens that are typed in here stay in this page.
  persistAuthorization: false,
  // The default asks a server of somebody else.
  validatorUrl: null,
});
