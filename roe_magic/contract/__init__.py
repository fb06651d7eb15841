"""What goes over the wire: the API's schemas as models, and their reading and writing as JSON values.

The client and the service both stand on this package; it knows neither.
"""
